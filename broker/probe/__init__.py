"""What a broker really does: a short trial at each connection, and all experiments for `dskity
doctor`.
"""
