"""Every error chaffinch raises on purpose.

ChaffinchError
├── UsageError          the call itself is wrong (exit status 2)
├── SourceError         a dataset cannot be read
│   └── TableError      a row or column of a table someone wrote cannot be used
├── IdentityError       keys or ids would name the wrong image
├── SchemaError         an array or table inside the program has the wrong shape or type
├── WorkspaceError      a workspace cannot be opened or written
│   ├── LockedError     another process writes to it
│   └── StaleLogError   others have decided since the log was read
├── RemoteError         a server refuses, cannot be reached, or answers what cannot be used
└── MissingExtraError   an optional package is not installed

Each carries *where*, *what* went wrong and a *hint* that names the command or change that helps. Messages
print as ``where: what``, then ``hint: ...`` on a line of its own. A broken image is not an error but an
outcome (see `records`).
"""

from __future__ import annotations


class ChaffinchError(Exception):
    """Base of all errors a user can mend; never raised itself."""

    exit_status = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        return f"{line}\nhint: {self.hint}" if self.hint else line


class UsageError(ChaffinchError):
    """Options that do not fit together or name something unknown."""

    exit_status = 2


class SourceError(ChaffinchError):
    """A dataset that cannot be found or read as what it claims to be."""


class TableError(SourceError):
    """A row or column of somebody's table cannot be used."""

    def __init__(
        self,
        what: str,
        *,
        path: str,
        row: int | None = None,
        column: str | None = None,
        got: str | None = None,
        hint: str = "",
    ) -> None:
        where = path
        if row is not None:
            where += f" row {row}"
        if column is not None:
            where += f" column {column!r}"
        super().__init__(what if got is None else f"{what}, got {got!r}", where=where, hint=hint)
        self.path = path
        self.row = row
        self.column = column
        self.got = got


class IdentityError(ChaffinchError):
    """Names of images that would let a decision hit the wrong image."""


class SchemaError(ChaffinchError):
    """An array or table that does not have the shape, type or columns asked for."""


class WorkspaceError(ChaffinchError):
    """A workspace that cannot be opened, read or written."""


class LockedError(WorkspaceError):
    """Another process is writing to the workspace."""

    def __init__(self, what: str, *, where: str, holder_pid: int | None, hint: str = "") -> None:
        super().__init__(what, where=where, hint=hint)
        self.holder_pid = holder_pid


class StaleLogError(WorkspaceError):
    """The decision log has grown since it was read; nothing was written."""

    def __init__(self, seq: int) -> None:
        super().__init__(
            f"others have decided about the same meanwhile; the log has {seq:,} events now",
            hint="nothing was saved: do it again, for fewer images at a time where many people decide",
        )
        self.seq = seq


class RemoteError(ChaffinchError):
    """A server refuses, cannot be reached, or answers what cannot be used."""

    def __init__(self, what: str, *, where: str = "", status: int | None = None, hint: str = "") -> None:
        super().__init__(what, where=where, hint=hint)
        self.status = status


class MissingExtraError(ChaffinchError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, *, extra: str, needed_for: str) -> None:
        super().__init__(
            f"{needed_for} needs the package {package!r}, which is not installed",
            hint=f"pip install 'chaffinch[{extra}]'",
        )
        self.package = package
        self.extra = extra
