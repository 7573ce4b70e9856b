#!/bin/sh
# Makes of a Debian with `packages` installed the machine that anywhere boots; runs in it, as root, below /provision.
# Leaves /boot/vmlinuz and /boot/initrd, the only files in /boot.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_OFFLINE=1
cd /provision

# The settings of every node, and those of local machines only.
cp -R --no-preserve=ownership host/. base/files/. /

# A small initrd of our own: busybox, three modules and their dependencies. Plain modules load faster than .xz ones.
version=$(find /lib/modules -mindepth 1 -maxdepth 1 -name '*-cloud-*' -printf '%f\n' | sort -V | tail -n 1)
find /lib/modules -mindepth 1 -maxdepth 1 ! -name "$version" -exec rm -r {} +
find /lib/modules -name '*.ko.xz' -exec xz -d {} +
depmod "$version"
tree=/tmp/initrd
mkdir -p "$tree/bin" "$tree/dev" "$tree/proc" "$tree/root" "$tree/lib"
cp /usr/bin/busybox "$tree/bin/busybox"
cp base/init "$tree/init"
chmod 755 "$tree/init" "$tree/bin/busybox"
modprobe -S "$version" -a -D virtio_pci virtio_blk ext4 | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' |
    while read -r module; do
        cp "$module" "$tree/lib/"
        echo "/lib/${module##*/}"
    done >"$tree/modules"
find "$tree" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
(cd "$tree" && find . | LC_ALL=C sort | cpio -o -H newc --reproducible --quiet) >/tmp/initrd.cpio
cp "/boot/vmlinuz-$version" /tmp/vmlinuz
find /boot -mindepth 1 -maxdepth 1 ! -name efi -exec rm -r {} +
rm -rf "$tree" /vmlinuz /vmlinuz.old /initrd.img /initrd.img.old
mv /tmp/vmlinuz /boot/vmlinuz
mv /tmp/initrd.cpio /boot/initrd

# Two emulated cores: containerd and Docker should not wait for a network, nor the rest of the boot for cloud-init, which
# holds up sysinit.target by default.
units=/usr/lib/systemd/system
for unit in containerd.service docker.service; do
    sed -E '/^(After|Wants)=/s/ ?network(-online)?\.target//' "$units/$unit" >"/etc/systemd/system/$unit"
done
for unit in cloud-init-local.service cloud-init-network.service; do
    sed '/^Before=sysinit.target/d' "$units/$unit" >"/etc/systemd/system/$unit"
done

# Python's compiled files are trusted without reading their sources (SOURCE_DATE_EPOCH makes it check a hash of them).
python3 - <<'END'
import pathlib
for path in pathlib.Path("/usr/lib").glob("python3*/**/*.pyc"):
    with path.open("r+b") as file:
        if file.read(16)[4] == 3:
            file.seek(4)
            file.write(b"\1")
END

systemctl --quiet enable systemd-networkd.service systemd-resolved.service containerd.service docker.service \
    anywhere-grow.service
systemctl --quiet disable systemd-networkd-wait-online.service
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer systemd-firstboot.service systemd-pstore.service cloud-init-hotplugd.socket ldconfig.service \
    systemd-binfmt.service proc-sys-fs-binfmt_misc.automount systemd-journal-catalog-update.service \
    systemd-hwdb-update.service systemd-udev-load-credentials.service systemd-network-generator.service \
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
    modprobe@configfs.service modprobe@fuse.service modprobe@drm.service getty@tty1.service; do
    ln -sf /dev/null "/etc/systemd/system/$unit"
done
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/* \
    /etc/ssh/ssh_host_* /usr/share/doc/* /usr/share/man/* /usr/share/locale/* \
    /usr/share/i18n /var/lib/systemd/random-seed /etc/hostname /var/lib/dbus/machine-id
