"""NYC Open Data as a source: what a run needs of the city's API is fetched into landing, with what it covers.

`plan` says what is to be asked, `client` asks it, `pages` puts the answers together, `fetch` checks and lands them.
"""
