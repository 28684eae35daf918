"""pyproject, the locks, environment.yml and the other files that state a version hold together."""

import hashlib
import os
import re
import subprocess
import sys
import tomllib
import zipfile

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import splitlib
from tools import cells, manifest

LOCKS = {"requirements.lock": "book", "requirements-test.lock": "test"}


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


def read_lock(path):
    """Return requirement and number of hashes of each entry of a lock, by canonical name."""
    entries = re.findall(r"^([^\s#-].*?)((?: \\\n +--hash=\S+)*)$", path.read_text(), re.MULTILINE)
    locked = {}
    for text, hashes in entries:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        assert name not in locked, f"{name} stands twice in {path.name}"
        locked[name] = requirement, hashes.count("--hash=sha256:")
    return locked


def requirements(project, extra):
    """Return what an extra asks for, the project's own extras followed."""
    found = [Requirement(text) for text in project["dependencies"]]
    for text in project["optional-dependencies"][extra]:
        requirement = Requirement(text)
        if requirement.name == project["name"]:
            for other in requirement.extras:
                found += requirements(project, other)
        else:
            found.append(requirement)
    return found


@pytest.mark.parametrize(("name", "extra"), LOCKS.items())
def test_lock_satisfies_pyproject(root, project, name, extra):
    locked = read_lock(root / name)
    for wanted in requirements(project, extra):
        entry = locked.get(canonicalize_name(wanted.name))
        assert entry, f"{wanted} is not in {name}: run `make lock`"
        (pin,) = entry[0].specifier
        assert pin.operator == "=="
        assert wanted.specifier.contains(pin.version), f"{name} has {entry[0]}, not {wanted}"
        if wanted.marker:
            assert entry[0].marker, f"{name} lacks the marker of {wanted}: run `make lock`"


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_is_hashed_and_none_has_an_address(root, name):
    text = (root / name).read_text()
    assert not re.search(r"://|--(extra-)?index-url|--find-links|^-e", text, re.MULTILINE)
    unhashed = [package for package, (_, hashes) in read_lock(root / name).items() if not hashes]
    assert not unhashed


def test_a_changed_hash_in_the_lock_fails_the_install(root, tmp_path):
    """With the options of the Makefile, on a package of one file."""
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    info = "tiny-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    changed = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    (options,) = re.findall(r"pip install (.*--require-hashes)", (root / "Makefile").read_text())
    command = [sys.executable, "-m", "pip", "install", *options.split(), "--dry-run", "--no-index"]
    codes, said = [], []
    for each in (digest, changed):
        lock = tmp_path / "requirements.lock"
        lock.write_text(f"tiny==1.0 \\\n    --hash=sha256:{each}\n")
        arguments = [*command, "--find-links", str(tmp_path), "-r", str(lock)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        codes.append(done.returncode)
        said.append(done.stderr)
    assert codes == [0, 1], said
    assert "DO NOT MATCH THE HASHES" in said[1]


def test_locks_agree(root):
    book, test = (read_lock(root / name) for name in LOCKS)
    assert book.keys() <= test.keys()
    for name, (requirement, _) in book.items():
        assert requirement.specifier == test[name][0].specifier, name


def test_environment_yml_installs_the_lock(root, project):
    environment = yaml.safe_load((root / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    (python,) = (text for text in conda if text.startswith("python="))
    assert SpecifierSet(project["requires-python"]).contains(python.removeprefix("python="))
    assert "-r requirements.lock" in pip["pip"]
    assert not [text for text in pip["pip"] if not text.startswith("-")]


def test_nothing_that_is_generated_is_committed(root):
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_binder_finds_the_environment(root):
    # With a folder for its files, Binder looks nowhere else.
    assert not [name for name in ("binder", ".binder") if (root / name).exists()]
    assert (root / "postBuild").stat().st_mode & 0o111


def test_npm_lock_is_complete_and_has_no_addresses(root):
    text = (root / "package-lock.json").read_text()
    assert "resolved" not in text
    assert ".tgz" not in text
    packages = yaml.safe_load(text)["packages"]  # JSON is YAML
    wanted = yaml.safe_load((root / "package.json").read_text())["dependencies"]
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    assert all("integrity" in package for name, package in packages.items() if name)


def test_workflows_cover_the_supported_python_versions(root, project):
    supported = SpecifierSet(project["requires-python"])
    expected = [f"3.{minor}" for minor in range(30) if supported.contains(f"3.{minor}.0")]
    workflow = yaml.safe_load((root / ".github" / "workflows" / "test.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == expected
    listed = [text.rpartition(" ")[2] for text in project["classifiers"] if ":: 3." in text]
    assert listed == expected


def test_version_is_stated_alike(root, project):
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert project["version"] == splitlib.__version__ == citation["version"]
    assert f"## {splitlib.__version__}" in (root / "CHANGELOG.md").read_text()


def test_wheel_holds_what_notebooks_import_and_nothing_else(root, tmp_path):
    """Built without a network and unpacked elsewhere, as Binder and Colab have it."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    command += ["--no-index", "--quiet", "--wheel-dir", str(tmp_path), "."]
    subprocess.run(command, cwd=root, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "unpacked")
    assert "splitlib/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"splitlib", "reproduction"}
    assert not [name for name in names if "__pycache__" in name]
    code = """
from reproduction import claims, measures, parameters, plots, scorecard, verdicts
assert "unpacked" in claims.__file__ and len(claims.load()) > 60
"""
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "unpacked")}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)


def test_the_extra_for_notebooks_brings_what_they_import(root, project):
    names = set()
    for path in manifest.notebooks(root):
        for cell in cells.read(path).cells:
            if cell.cell_type == "code":
                names |= set(re.findall(r"^(?:import|from) (\w+)", cell.source, re.MULTILINE))
    assert "reproduction" in names
    elsewhere = {"myst_nb": "myst-nb", "IPython": "myst-nb"}
    ours = {"reproduction", "splitlib", *sys.stdlib_module_names}
    wanted = {elsewhere.get(name, name) for name in names - ours}
    brought = {requirement.name for requirement in requirements(project, "notebooks")}
    assert wanted | {"anywidget", "jsonschema", "matplotlib", "pyyaml"} <= brought
