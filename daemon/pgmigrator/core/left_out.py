"""Settings that the destination's version does not take: one rule for who brings or compares them.

What a role, a database or a function has of them comes without them, and is compared without them.
"""

import re
from collections.abc import Collection

#: matches nothing, for PostgreSQL as for Python
_NOTHING = "(?!)"
#: from 19 on it is always on, and may be set to nothing else
STANDARD_STRINGS = "standard_conforming_strings"
STANDARD_STRINGS_ONLY_SINCE = 190000


def pattern(unknown: Collection[str], version_num: int) -> str:
    """Write the pattern of stored settings, "name=value", that are left out.

    `unknown` are the names, in lower case, that the destination does not know; `version_num` is
    its version. Python and PostgreSQL understand the pattern alike; case does not matter.

    >>> is_left_out("Old_Setting=1", pattern(["old_setting"], 180000))
    True
    >>> [is_left_out(f"standard_conforming_strings={value}", pattern([], 190000))
    ...  for value in ("off", "ON", "tru", "0")]
    [True, False, False, True]
    """
    names = "|".join(re.escape(name) for name in sorted(unknown))
    refused = [f"({names})="] if names else []
    if version_num >= STANDARD_STRINGS_ONLY_SINCE:
        refused.append(f"{STANDARD_STRINGS}=(?!(on|1|t|tr|tru|true|y|ye|yes)$)")
    return f"^({'|'.join(refused)})" if refused else _NOTHING


def is_left_out(setting: str, left_out: str) -> bool:
    """Tell whether a stored setting, "name=value", is one that `left_out` describes."""
    return re.match(left_out, setting, re.IGNORECASE) is not None
