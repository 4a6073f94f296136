"""The life of the four record books: from data that are complete to the archived record and its return."""
