"""What a broker really does, at two depths: the basics for each transport, all experiments for
`dskity doctor`.
"""
