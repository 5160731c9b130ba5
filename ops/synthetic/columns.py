"""Arrow as this package uses it.

The published type stubs of pyarrow do not know that compute functions take plain strings and numbers beside columns,
and name no element type for a column that may hold any; so columns and tables are `Any` to the type checker here.
"""

from typing import Any, TypeAlias

import pyarrow
import pyarrow.compute

Column: TypeAlias = Any
"""A pyarrow.Array."""
Table: TypeAlias = Any
"""A pyarrow.Table."""

pa: Any = pyarrow
pc: Any = pyarrow.compute
