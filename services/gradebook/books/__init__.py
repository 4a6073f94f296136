"""The life, the content and the freezing of the four record books.

From complete data to the archived record and its return.
"""
