"""The dialect of SQLAlchemy: `create_engine("sqlite+sldb:///main?target=local:DIR")`. See docs/python.md."""

from sldb.sqlalchemy.dialect import SldbDialect

__all__ = ["SldbDialect"]
