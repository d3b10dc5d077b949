"""The page of supported functions is what its script makes of the tables."""
from supported_functions import PAGE, page


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == page(), "run python tests/support/supported_functions.py"
