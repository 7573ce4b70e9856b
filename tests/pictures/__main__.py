"""`python -m tests.pictures`: draw the pictures anew; look at them before committing them."""

from tests.pictures import update

update()
