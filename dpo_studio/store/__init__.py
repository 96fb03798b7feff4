"""The project file: the only code that speaks SQL.

Every function takes the open `Project` first. Writes happen in one transaction each and are durable
when the function returns.
"""

from .database import Project

__all__ = ["Project"]
