"""The rows of DESIGN §14: each module has `async def run(options) -> Table`."""
