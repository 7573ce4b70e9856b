"""One machine alone, made by anywhere and by kubeadm: the same virtual machine, Debian, Kubernetes and containerd."""
