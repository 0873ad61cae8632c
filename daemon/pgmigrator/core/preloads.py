"""Settings that load libraries at each login: a library that is missing refuses each of them."""

#: where a name without a folder is looked for, by setting; "": where all libraries are
PRELOADS = {"local_preload_libraries": "$libdir/plugins/", "session_preload_libraries": ""}
#: says where libraries are looked for
LIBRARY_PATH = "dynamic_library_path"


def first_load(setting: str) -> str:
    """Write what a person runs before a setting is made: it fails while a library is missing.

    >>> first_load("session_preload_libraries")
    'LOAD (each of its libraries); '
    >>> first_load("work_mem")
    ''
    """
    return "LOAD (each of its libraries); " if setting.lower() in PRELOADS else ""
