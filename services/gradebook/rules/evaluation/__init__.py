"""One case of `hoso rules evaluate`: read it, assess it, and name the articles applied."""
