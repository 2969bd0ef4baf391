"""From the URL of a server to a connected byte stream: addresses, TLS, proxies, TCP."""
