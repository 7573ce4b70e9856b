"""A root of its own for the real apt and dpkg, and archives of the release with packages that are built here."""

import hashlib
import os
import shutil
import subprocess
import tarfile


class Root:
    """A Debian that has nothing but its package database; `programs` are those that the agent finds."""

    def __init__(self, folder, programs, monkeypatch):
        from agent import apt, debian

        self.path, self._work, self._programs = folder / "root", folder, programs
        database = self.path / "var/lib/dpkg"
        for name in ("info", "updates", "triggers", "alternatives"):
            (database / name).mkdir(parents=True)
        (database / "status").touch()
        monkeypatch.setattr(apt, "JOURNAL", database / "updates")
        for name in ("FOLDER", "RECORD", "REQUIRED", "BOOT_LOADER", "ASKED"):
            monkeypatch.setattr(debian, name, folder / "machine" / name.lower())
        monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin:/sbin")
        inside = f"--root={self.path} --force-not-root --force-script-chrootless"
        self.status = database / "status"
        options = " ".join(f"-o DPkg::Options::={word}" for word in inside.split())
        for name in ("apt-get", "apt"):
            programs.put(name, f'exec /usr/bin/{name} -o Dir::State::status={self.status} {options} "$@"')
        programs.put("dpkg", f'exec /usr/bin/dpkg {inside} "$@"')
        programs.put("systemctl")
        programs.put("anywhere-fetch", f'exec cat "{folder}/served/$1"')
        (folder / "served" / "packages").mkdir(parents=True)

    def build(self, name, version, *, depends="", **scripts):
        """A package with one file, and maintainer scripts by name; the path of its file."""
        tree = self._work / "built" / f"{name}_{version}"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "usr").mkdir()
        (tree / "usr" / name).write_text(version)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\n"
        control += "Installed-Size: 1\n"
        control += f"Depends: {depends}\n" if depends else ""
        (tree / "DEBIAN/control").write_text(f"{control}Description: {name}\n")
        for script, text in scripts.items():
            path = tree / "DEBIAN" / script
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(0o755)
        subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, f"{tree}_all.deb"], check=True)
        return f"{tree}_all.deb"

    def install(self, *files):
        subprocess.run(["dpkg", "--install", *files], check=True)

    def serve(self, *files):
        """Have an archive of these packages in the store; its checksum."""
        source = self._work / "source"
        shutil.rmtree(source, ignore_errors=True)
        source.mkdir()
        for file in files:
            shutil.copy(file, source)
        (source / "Packages").write_text("\n".join(map(entry, sorted(source.iterdir()))))
        (source / "install").touch()
        tar = self._work / "archive.tar"
        with tarfile.open(tar, "w") as out:
            for path in sorted(source.iterdir()):
                out.add(path, path.name)
        digest = hashlib.sha256(tar.read_bytes()).hexdigest()
        tar.rename(self._work / "served" / "packages" / f"{digest}.tar")
        return digest

    def installed(self):
        """Name -> version and state, as dpkg has it."""
        form = "${Package} ${Version} ${db:Status-Status}\n"
        asked = ["dpkg-query", f"--admindir={self.status.parent}", "--show", f"--showformat={form}"]
        said = subprocess.run(asked, check=False, capture_output=True, text=True).stdout
        return {name: f"{version} {state}" for name, version, state in map(str.split, said.splitlines())}


def entry(file):
    """A package in an index, as Debian's has it."""
    control = subprocess.run(["dpkg-deb", "--field", file], check=True, capture_output=True, text=True).stdout
    data = file.read_bytes()
    return f"{control}Filename: ./{file.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
