"""Lists of a million rows: what a page of one asks the database takes no longer than with a thousand.

Everything here is bounded: how many rows are counted, how deep one may page, how many values a filter offers. What it
rests on are indexes (chat/models): one by the date that a list goes by, and one by each of its filters and that date.
"""

from chat.admin.lists.changelist import LargeList

__all__ = ["LargeList"]
