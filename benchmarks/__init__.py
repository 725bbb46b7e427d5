"""The benchmarks: DSkity beside what a user would pick instead.

docs/performance.md tells the method. Layout:

    __main__.py   the command            options.py    how much is measured
    harness.py    child processes, and things measured in turn
    child.py      what a child says      figures.py    medians and goals
    broker.py     a mosquitto            houses.py     a bus, on a broker or in memory
    workload.py   topics and payloads    signing.py    a webhook's signature
    publisher.py  the raw publisher      packets.py    its packets       progress.py  its brake
    consumer.py   what all consumers do  peers/        one file a library
    inside/       the other processes    rows/         one file a table
    report.py     tables                 keeping.py    JSON and docs     machine.py   circumstances
"""
