#!/bin/sh
# The first process of a guest, or of a container, that loads image archives into its disk and powers off. Nothing else
# runs: no systemd, no network, no cloud-init, so the disk stays that of a machine which has never booted.
# /run/plan has a line for each archive: its name (in a guest, the serial of the read-only disk that it is; in a
# container, a file in /run/archives), and its runtime.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
pods=/run/anywhere/containerd/containerd.sock # where the containerd of pods answers

say() { echo "bake: $*" >/dev/console; }
off() {
    sync
    mount -o remount,ro /
    exec /usr/bin/busybox poweroff -f
}
fail() {
    say "failed: $*"
    tail -n 5 /run/dockerd.log /run/containerd*.log /run/load-* >/dev/console 2>&1
    off
}
device() {
    [ -e "/run/archives/$1" ] && echo "/run/archives/$1" && return
    for disk in /sys/block/vd*; do
        [ "$(cat "$disk/serial")" = "$1" ] && echo "/dev/${disk##*/}" && return
    done
}
docker_load() { docker load --quiet --input "$1"; }
containerd_load() { /opt/anywhere/containerd/current/ctr --address "$pods" --namespace k8s.io images import "$1"; }
# load RUNTIME: every archive of the plan for it, in order.
load() {
    while read -r serial runtime name; do
        [ "$runtime" = "$1" ] || continue
        "${runtime}_load" "$(device "$serial")" >"/run/load-$serial-$runtime" 2>&1 || fail "$runtime did not load $name"
        say "$name is in $runtime"
    done </run/plan
}

# named NAME: the reference of anywhere's own image NAME in the plan, if it has that.
named() { awk -v name="anywhere.local/$1:" 'index($3, name) == 1 { print $3; exit }' /run/plan; }
# copy_out REF FROM TO: a folder's content out of an image that Docker has.
copy_out() {
    mkdir -p "$3"
    docker create --network none --name copied --entrypoint none "$1" >/run/load-copied 2>&1 || fail "a container of $1"
    docker cp --quiet "copied:$2/." "$3" >>/run/load-copied 2>&1 || fail "$2 of $1"
    docker rm copied >/dev/null
}
id_of() { docker image inspect --format '{{.Id}}' "$1" || fail "there is no $1"; }
# Both are where the agent of a machine would put them, and as it knows them.
install_containerd() {
    ref=$(named containerd)
    programs=/opt/anywhere/containerd/$(id_of "$ref" | cut -c8-19)
    copy_out "$ref" /bin "$programs"
    ln -s "$programs" /opt/anywhere/containerd/current
}
install_cni_plugins() {
    ref=$(named cni)
    [ -n "$ref" ] || return 0 # as for a machine that kubeadm sets up
    copy_out "$ref" /opt/cni/bin /opt/cni/bin
    printf %s "$(id_of "$ref")" >/opt/cni/anywhere-plugins
}

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t tmpfs tmp /tmp
modprobe -a overlay
echo '{}' >/run/docker.json
containerd >/run/containerd.log 2>&1 &
containerd=$!
while [ ! -S /run/containerd/containerd.sock ]; do
    kill -0 $containerd || fail "containerd did not start"
    sleep 0.2
done
dockerd --config-file /run/docker.json --containerd /run/containerd/containerd.sock --storage-driver overlay2 \
    --exec-opt native.cgroupdriver=cgroupfs --bridge none --iptables=false --ip6tables=false >/run/dockerd.log 2>&1 &
dockerd=$!
while [ ! -S /run/docker.sock ]; do
    kill -0 $dockerd || fail "dockerd did not start"
    sleep 0.2
done
load docker
install_containerd
install_cni_plugins
/opt/anywhere/containerd/current/containerd --config /etc/anywhere/containerd.toml >/run/containerd-pods.log 2>&1 &
pods_containerd=$!
while [ ! -S "$pods" ]; do
    kill -0 $pods_containerd || fail "the containerd of pods did not start"
    sleep 0.2
done
load containerd
kill $dockerd $pods_containerd
wait $dockerd $pods_containerd
kill $containerd
wait $containerd
# Docker's own identity and networks are each machine's.
rm -rf /var/lib/docker/engine-id /var/lib/docker/network
say "all images are loaded"
off
