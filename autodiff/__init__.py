"""IR in, derivative IR out: forward, reverse, and the rules that both share. Imports only `ir`."""
