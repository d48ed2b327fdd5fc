"""History out of CSV and Parquet files: what the columns mean, and the samples in them."""

from twinhelm.aiops.collect.files.columns import ColumnChoice, ColumnMap
from twinhelm.aiops.collect.files.reader import TimeUnit, read_columns, read_file

__all__ = ["ColumnChoice", "ColumnMap", "TimeUnit", "read_columns", "read_file"]
