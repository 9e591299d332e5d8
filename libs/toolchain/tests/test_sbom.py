"""A bill lists what a lock puts into an image, and no more."""

from libs.toolchain.sbom import in_image, without_tools

_LOCK = """\
# made by a tool
anyio==4.12.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via httpx
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:cc
uvloop==0.22.1 ; sys_platform != 'win32' \\
    --hash=sha256:dd
backport==1.0 ; python_full_version < '3.13' \\
    --hash=sha256:ee
"""


def test_what_only_other_machines_install_is_left_out() -> None:
    names = [line.split("==")[0] for line in in_image(_LOCK).splitlines()]

    assert names == ["anyio", "uvloop"]


def test_hashes_stay_with_their_package() -> None:
    first = in_image(_LOCK).splitlines()[0].split()

    assert first == ["anyio==4.12.0", "--hash=sha256:aa", "--hash=sha256:bb"]


def test_the_pages_bill_has_no_tool_that_only_its_development_needs() -> None:
    tool = {"name": "cdx:npm:package:development", "value": "true"}
    bill = {
        "components": [
            {"bom-ref": "react@1", "properties": []},
            {"bom-ref": "vite@1", "properties": [tool]},
        ],
        "dependencies": [
            {"ref": "page@1", "dependsOn": ["react@1", "vite@1"]},
            {"ref": "vite@1", "dependsOn": ["react@1"]},
        ],
    }

    assert without_tools(bill) == {
        "components": [{"bom-ref": "react@1", "properties": []}],
        "dependencies": [{"ref": "page@1", "dependsOn": ["react@1"]}],
    }
