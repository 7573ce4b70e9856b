"""What each alert of the add-on monitoring is for: series, when they are to raise it, and when not yet or not any more.

Times are in minutes, and series in the notation of the store's own rule tests: `1x5` is 1 and five times 1 more, one
a minute.
"""

from dataclasses import dataclass, field

WARNING, CRITICAL = "warning", "critical"
DAY = 86400
BEGIN = 946684800  # of each test of the store, in seconds since the epoch: the year 2000


@dataclass(frozen=True)
class Case:
    """`alert` is raised at `fires` with these labels and this summary, and not at `quiet`."""

    alert: str
    severity: str
    series: dict[str, str]
    quiet: tuple[int, ...]
    fires: int
    summary: str
    labels: dict[str, str] = field(default_factory=dict)


def certificate(component, certificate, days):
    """A certificate that ends, as of the beginning of the test, in so many days."""
    return {
        f'anywhere_certificate_end_seconds{{component="{component}",certificate="{certificate}",node="a"}}': (
            f"{BEGIN + days * DAY}x40"
        )
    }


def members(**up):
    """Who of etcd is reached, by member."""
    return {f'anywhere_etcd_member_up{{member="{name}",node="m"}}': values for name, values in up.items()}


def of_a(name, more=""):
    return f'{name}{{node="a"{more}}}'


ROOT = ',mountpoint="/"'
CASES = (
    Case(
        "MachineDown",
        CRITICAL,
        {
            'kube_node_status_condition{condition="Ready",status="true",node="a"}': "1x5 0x10 1x10",
            'kube_node_status_condition{condition="Ready",status="true",node="b"}': "1x30",
        },
        (5, 7, 18),
        9,
        "Machine a is not Ready.",
        {"node": "a"},
    ),
    Case(
        "DiskNearlyFull",
        WARNING,
        {of_a("node_filesystem_avail_bytes", ROOT): "20x5 8x20", of_a("node_filesystem_size_bytes", ROOT): "100x30"},
        (5, 15),
        17,
        "/ of a has 8% left.",
        {"node": "a", "mountpoint": "/"},
    ),
    Case(
        "DiskFull",
        CRITICAL,
        {of_a("node_filesystem_avail_bytes", ROOT): "9e9x5 2147483648x20"},
        (5, 10),
        12,
        "The disk of a has 2GiB left.",
        {"node": "a", "mountpoint": "/"},
    ),
    Case(
        "DiskFillsUp",
        WARNING,
        {
            of_a("node_filesystem_avail_bytes", ROOT): "28000-30x200",
            of_a("node_filesystem_size_bytes", ROOT): "100000x200",
        },
        (30,),
        90,
        "/ of a is full within a day, as it goes on now.",
        {"node": "a", "mountpoint": "/"},
    ),
    Case(
        "MemoryNearlyFull",
        WARNING,
        {of_a("node_memory_MemAvailable_bytes"): "50x5 5x20", of_a("node_memory_MemTotal_bytes"): "100x30"},
        (5, 15),
        17,
        "a has 5% of its memory left.",
        {"node": "a"},
    ),
    Case(
        "ClockDiffers",
        WARNING,
        {
            of_a("node_time_seconds"): f"{BEGIN + 60}+60x40",
            'node_time_seconds{node="b"}': f"{BEGIN}+60x40",
        },
        (9,),
        12,
        "The clock of a is 1m 0s off.",
        {"node": "a"},
    ),
    Case(
        "MachineFails",
        WARNING,
        {of_a("anywhere_machine_ready"): "1x5 0x40"},
        (5, 35),
        37,
        "a does not come to its release.",
        {"node": "a"},
    ),
    Case(
        "MachineSilent",
        WARNING,
        {of_a("node_textfile_mtime_seconds", ',file="/host/metrics/anywhere.prom"'): f"{BEGIN}x40"},
        (10, 15),
        17,
        "a has measured nothing of its own for 17m 0s.",
        {"node": "a", "file": "/host/metrics/anywhere.prom"},
    ),
    Case(
        "CertificateEndsSoon",
        WARNING,
        certificate("etcd", "server.crt", 20)
        | certificate("addons", "client.crt", 22)
        | certificate("kubelet", "kubelet-client", 20),
        (9,),
        12,
        "server.crt of etcd ends in 19d 23h 48m 0s.",
        {"component": "etcd", "certificate": "server.crt"},
    ),
    Case(
        "CertificateEnds",
        CRITICAL,
        certificate("etcd", "server.crt", 4) | certificate("addons", "client.crt", 20),
        (9,),
        12,
        "server.crt of etcd ends in 3d 23h 48m 0s.",
        {"component": "etcd", "certificate": "server.crt"},
    ),
    Case(
        "KubeletCertificateEnds",
        CRITICAL,
        certificate("kubelet", "kubelet-client", 4) | certificate("kubelet", "kubelet-server", 20),
        (9,),
        12,
        "kubelet-client of a ends in 3d 23h 48m 0s.",
        {"node": "a", "certificate": "kubelet-client"},
    ),
    Case(
        "EtcdMemberDown",
        CRITICAL,
        members(etcd1="1x30", etcd2="1x5 0x10 1x10"),
        (5, 8, 17),
        10,
        "No master reaches etcd2.",
        {"member": "etcd2"},
    ),
    Case(
        "EtcdNoMajority",
        CRITICAL,
        members(etcd1="1x20", etcd2="1x5 0x20", etcd3="1x10 0x20"),
        (5, 9),
        13,
        "etcd has no majority, so nothing in the cluster can change.",
    ),
    Case(
        "EtcdNoMajority",
        CRITICAL,
        members(etcd1="1x20") | {'etcd_server_has_leader{member="etcd1",node="m"}': "1x5 0x20"},
        (5,),
        8,
        "etcd has no majority, so nothing in the cluster can change.",
    ),
    Case(
        "EtcdMajorityAtRisk",
        CRITICAL,
        members(etcd1="1x30", etcd2="1x5 0x20", etcd3="1x30"),
        (5, 8),
        10,
        "etcd loses its majority with the next member that is lost.",
    ),
    Case(
        "EtcdChangesLeader",
        WARNING,
        {'etcd_server_leader_changes_seen_total{member="etcd1",node="m"}': "1x19 2+1x5 7x20"},
        (19,),
        30,
        "etcd has changed its leader 6 times within a quarter of an hour.",
        {"member": "etcd1"},
    ),
    Case(
        "EtcdDiskSlow",
        WARNING,
        {
            'etcd_disk_wal_fsync_duration_seconds_bucket{member="etcd1",le="0.512"}': "0+10x40",
            'etcd_disk_wal_fsync_duration_seconds_bucket{member="etcd1",le="1.024"}': "0+100x40",
            'etcd_disk_wal_fsync_duration_seconds_bucket{member="etcd1",le="+Inf"}': "0+100x40",
            'etcd_disk_wal_fsync_duration_seconds_bucket{member="etcd2",le="0.001"}': "0+100x40",
            'etcd_disk_wal_fsync_duration_seconds_bucket{member="etcd2",le="+Inf"}': "0+100x40",
        },
        (9,),
        15,
        "A write of etcd1 takes 1.018s to be on its disk.",
        {"member": "etcd1"},
    ),
    Case(
        "EtcdNearlyFull",
        CRITICAL,
        {
            'etcd_mvcc_db_total_size_in_bytes{member="etcd1",node="m"}': "50x5 90x20",
            'etcd_server_quota_backend_bytes{member="etcd1",node="m"}': "100x30",
        },
        (5, 15),
        17,
        "The data of etcd1 take 90% of what etcd allows.",
        {"member": "etcd1"},
    ),
    Case("ApiDown", CRITICAL, {'up{job="kube-apiserver"}': "1x5 0x10"}, (5, 8), 10, "No API server answers."),
    Case(
        "ApiErrors",
        CRITICAL,
        {'apiserver_request_total{code="200"}': "0+90x40", 'apiserver_request_total{code="500"}': "0x10 0+10x30"},
        (10,),
        30,
        "API servers fail at 10% of requests.",
    ),
    Case(
        "ApiSlow",
        WARNING,
        {
            'apiserver_request_duration_seconds_bucket{le="1",verb="GET"}': "0+75x60",
            'apiserver_request_duration_seconds_count{verb="GET"}': "0+100x60",
            'apiserver_request_duration_seconds_bucket{le="1",verb="WATCH"}': "0x60",
            'apiserver_request_duration_seconds_count{verb="WATCH"}': "0+100x60",
        },
        (14,),
        30,
        "25% of requests to API servers take longer than a second.",
    ),
    Case(
        "RolloutHalted",
        CRITICAL,
        {'anywhere_rollout_halted{machine="worker-general-1",component="kubelet",node="m"}': "_x5 1x10"},
        (5,),
        8,
        "The rollout is halted: worker-general-1 put kubelet back.",
        {"machine": "worker-general-1", "component": "kubelet"},
    ),
    Case(
        "RolloutStuck",
        WARNING,
        {'anywhere_rollout_stuck{machine="worker-general-1",node="m"}': "1x60"},
        (29,),
        31,
        "worker-general-1 cannot be drained for its turn in the rollout.",
        {"machine": "worker-general-1"},
    ),
    Case(
        "PodsNotMade",
        WARNING,
        {
            'kube_deployment_spec_replicas{namespace="web",deployment="shop"}': "3x30",
            'kube_deployment_status_replicas{namespace="web",deployment="shop"}': "3x5 2x20",
        },
        (5, 15),
        17,
        "Pods of web/shop are not made.",
        {"namespace": "web", "deployment": "shop"},
    ),
    Case(
        "PodsMissing",
        WARNING,
        {
            'kube_daemonset_status_desired_number_scheduled{namespace="web",daemonset="logs"}': "3x40",
            'kube_daemonset_status_number_available{namespace="web",daemonset="logs"}': "3x5 2x40",
        },
        (5, 20),
        22,
        "web/logs has fewer pods than it asks for.",
        {"namespace": "web", "daemonset": "logs"},
    ),
    Case(
        "PodPending",
        WARNING,
        {'kube_pod_status_phase{namespace="web",pod="shop-1",phase="Pending"}': "1x40"},
        (14,),
        16,
        "Pod web/shop-1 does not start.",
        {"namespace": "web", "pod": "shop-1"},
    ),
    Case(
        "PodCrashes",
        WARNING,
        {
            'kube_pod_container_status_waiting_reason{namespace="web",pod="shop-1",container="app",'
            'reason="CrashLoopBackOff"}': "0x4 1x3 _ _ 1x4 _ _ 1x20"
        },
        (4, 14),
        17,
        "app of web/shop-1 crashes again and again.",
        {"namespace": "web", "pod": "shop-1", "container": "app"},
    ),
    Case(
        "PodWithoutImage",
        WARNING,
        {
            'kube_pod_container_status_waiting_reason{namespace="web",pod="shop-1",container="app",'
            'reason="ErrImageNeverPull"}': "1x40"
        },
        (9,),
        11,
        "app of web/shop-1 has no image.",
        {"namespace": "web", "pod": "shop-1", "container": "app"},
    ),
    Case(
        "WeaveDisconnected",
        WARNING,
        {
            of_a("weave_connections", ',state="established",type="fastdp"'): "3x40",
            of_a("weave_connections", ',state="retrying",type="unknown"'): "0x5 1x40",
        },
        (5, 15),
        17,
        "Weave Net of a does not reach 1 of its peers.",
        {"node": "a"},
    ),
    Case(
        "WeaveAddressesLost",
        WARNING,
        {of_a("weave_ipam_unreachable_percentage"): "0x5 50x100"},
        (5, 64),
        67,
        "50 % of the addresses for pods are held by machines that are not reached.",
    ),
    Case("Watchdog", "none", {}, (), 0, "Alerts work. This one is always there."),
    Case(
        "TargetDown",
        WARNING,
        {'up{job="kubelet",instance="10.32.0.1:10250",node="a"}': "1x5 0x10 1x10"},
        (5, 10, 17),
        12,
        "kubelet at 10.32.0.1:10250 shows no metrics.",
        {"job": "kubelet", "instance": "10.32.0.1:10250", "node": "a"},
    ),
    Case(
        "NotificationsFail",
        CRITICAL,
        {'alertmanager_notifications_failed_total{integration="email",reason="other"}': "0x5 1+1x30"},
        (5,),
        12,
        "Notifications by email do not arrive.",
        {"integration": "email"},
    ),
    Case(
        "RuleFails",
        WARNING,
        {'vmalert_alerting_rules_errors_total{group="machines",alertname="MachineDown"}': "0x5 1+1x30"},
        (5,),
        12,
        "The rule of MachineDown cannot be evaluated.",
        {"group": "machines", "rule": "MachineDown"},
    ),
    Case(
        "MetricsNotKept",
        CRITICAL,
        {"vm_storage_is_read_only": "0x5 1x20"},
        (5, 10),
        12,
        "Metrics are not kept any more: the disk of their volume is full.",
    ),
)
