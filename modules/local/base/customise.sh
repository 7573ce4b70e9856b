#!/bin/sh
# customise.sh ROOT FILES HOST: makes of a bare Debian tree the machine that anywhere boots.
# Leaves ROOT/boot/vmlinuz and ROOT/boot/initrd, the only files in /boot. Runs as root, or as root of a user namespace.
set -eu
root=$1
files=$2
host=$3

# The settings of every node, and those of local machines only.
cp -R --no-preserve=ownership "$host/." "$root/"
cp -R --no-preserve=ownership "$files/." "$root/"

# A small initrd of our own: busybox, three modules and their dependencies. Plain modules load faster than .xz ones.
version=$(find "$root/lib/modules" -mindepth 1 -maxdepth 1 -name '*-cloud-*' -printf '%f\n' | sort -V | tail -n 1)
find "$root/lib/modules" -name '*.ko.xz' -exec xz -d {} +
chroot "$root" depmod "$version"
tree=$root/tmp/initrd
mkdir -p "$tree/bin" "$tree/dev" "$tree/proc" "$tree/root" "$tree/lib"
cp "$root/usr/bin/busybox" "$tree/bin/busybox"
cp "$files/../init" "$tree/init"
chmod 755 "$tree/init" "$tree/bin/busybox"
chroot "$root" modprobe -S "$version" -a -D virtio_pci virtio_blk ext4 | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' |
    while read -r module; do
        cp "$root$module" "$tree/lib/"
        echo "/lib/${module##*/}"
    done >"$tree/modules"
find "$tree" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
chroot "$root" sh -c 'cd /tmp/initrd && find . | LC_ALL=C sort | cpio -o -H newc --reproducible --quiet' >"$root/tmp/initrd.cpio"
cp "$root/boot/vmlinuz-$version" "$root/tmp/vmlinuz"
rm -rf "${root:?}/boot" "$tree" "$root/vmlinuz" "$root/vmlinuz.old" "$root/initrd.img" "$root/initrd.img.old"
mkdir "$root/boot"
mv "$root/tmp/vmlinuz" "$root/boot/vmlinuz"
mv "$root/tmp/initrd.cpio" "$root/boot/initrd"

# Two emulated cores: containerd and Docker should not wait for a network, nor the rest of the boot for cloud-init, which
# holds up sysinit.target by default.
units=$root/usr/lib/systemd/system
for unit in containerd.service docker.service; do
    sed -E '/^(After|Wants)=/s/ ?network(-online)?\.target//' "$units/$unit" >"$root/etc/systemd/system/$unit"
done
for unit in cloud-init-local.service cloud-init-network.service; do
    sed '/^Before=sysinit.target/d' "$units/$unit" >"$root/etc/systemd/system/$unit"
done

# Python's compiled files are trusted without reading their sources (SOURCE_DATE_EPOCH makes it check a hash of them).
chroot "$root" python3 - <<'END'
import pathlib
for path in pathlib.Path("/usr/lib").glob("python3*/**/*.pyc"):
    with path.open("r+b") as file:
        if file.read(16)[4] == 3:
            file.seek(4)
            file.write(b"\1")
END

export SYSTEMD_OFFLINE=1
chroot "$root" systemctl --quiet enable systemd-networkd.service systemd-resolved.service containerd.service docker.service \
    anywhere-grow.service
chroot "$root" systemctl --quiet disable systemd-networkd-wait-online.service
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer systemd-firstboot.service systemd-pstore.service cloud-init-hotplugd.socket ldconfig.service \
    systemd-binfmt.service proc-sys-fs-binfmt_misc.automount systemd-journal-catalog-update.service \
    systemd-hwdb-update.service systemd-udev-load-credentials.service systemd-network-generator.service \
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
    modprobe@configfs.service modprobe@fuse.service modprobe@drm.service getty@tty1.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old "$root"/var/log/* \
    "$root"/etc/ssh/ssh_host_* "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/* \
    "$root"/usr/share/i18n "$root"/var/lib/systemd/random-seed "$root"/etc/hostname "$root"/var/lib/dbus/machine-id
