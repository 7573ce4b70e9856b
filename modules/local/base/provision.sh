#!/bin/sh
# The first process of a guest that makes the base image out of Debian's cloud image, and powers off.
# /provision holds what this script stands among (`base`), and the settings (`host`) and `packages` of every node.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1

say() { echo "provision: $*" >/dev/console; }
off() {
    sync
    mount -o remount,ro /
    systemctl poweroff --force --force
}
fail() {
    say "failed: $*"
    tail -n 8 /run/provision.log >/dev/console
    off
}

mount -t proc proc /proc
mount -t sysfs sys /sys
mountpoint -q /dev || mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mount -o remount,rw /
# QEMU's user network always looks so.
modprobe -a virtio_net
nic=$(find /sys/class/net -name 'e*' -printf '%f\n' -quit)
ip link set "$nic" up
ip address add 10.0.2.15/24 dev "$nic"
ip route add default via 10.0.2.2
rm -f /etc/resolv.conf
echo "nameserver 10.0.2.3" >/etc/resolv.conf

# Services are not to start here, and the initrd is ours.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
mkdir -p /etc/initramfs-tools
echo update_initramfs=no >/etc/initramfs-tools/update-initramfs.conf
say "reading the package lists"
apt-get -q update >/run/provision.log 2>&1 || fail "apt-get update"
say "installing the packages"
# shellcheck disable=SC2046  # one word for each package
apt-get -q -y -o Dpkg::Options::=--force-confold --no-install-recommends install \
    $(grep -hv '^#' /provision/base/packages /provision/packages) >/run/provision.log 2>&1 || fail "apt-get install"
say "customising"
sh /provision/base/customise.sh >/run/provision.log 2>&1 || fail "customise.sh"
: >/etc/machine-id
ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
rm -rf /provision /usr/sbin/policy-rc.d /var/lib/cloud
say "done"
off
