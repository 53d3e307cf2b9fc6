"""Lets an agent plan, buy, choose and read on rivya-flows, over the Model Context Protocol.

`rivya-flows mcp` and `rivya-flows-mcp` serve a client on stdin and stdout: `server` speaks the protocol,
`tools` are what a client may call, `root` is what it may name, and `results` is what it gets.
"""
