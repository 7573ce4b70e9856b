"""`python -m tests.golden`: write the golden trees anew; read the diff before committing it."""

from tests.golden import update

update()
