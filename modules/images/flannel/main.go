// Command flanneld gives pods a network between machines: flannel's own library with what a node needs of it.
// Ranges come from the Kubernetes API, packets travel by WireGuard, VXLAN or host routes; flannel's main
// program has more backends, of which one wants a C compiler and another a cloud's SDK.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/flannel-io/flannel/pkg/backend"
	_ "github.com/flannel-io/flannel/pkg/backend/hostgw"
	_ "github.com/flannel-io/flannel/pkg/backend/vxlan"
	_ "github.com/flannel-io/flannel/pkg/backend/wireguard"
	"github.com/flannel-io/flannel/pkg/ip"
	"github.com/flannel-io/flannel/pkg/ipmatch"
	"github.com/flannel-io/flannel/pkg/subnet"
	"github.com/flannel-io/flannel/pkg/subnet/kube"
	"github.com/flannel-io/flannel/pkg/trafficmngr"
	"github.com/flannel-io/flannel/pkg/trafficmngr/iptables"
	"github.com/flannel-io/flannel/pkg/trafficmngr/nftables"
	"github.com/flannel-io/flannel/pkg/version"
	"k8s.io/klog/v2"
)

const (
	annotations   = "flannel.alpha.coreos.com"
	resyncSeconds = 5
)

var (
	fromAPI     = flag.Bool("kube-subnet-mgr", true, "take ranges from the Kubernetes API; there is no other way here")
	masquerade  = flag.Bool("ip-masq", false, "masquerade what leaves the pods' network")
	iface       = flag.String("iface", "", "interface, or its address, to reach other machines by")
	kubeconfig  = flag.String("kubeconfig-file", "", "how to reach the Kubernetes API")
	netConfig   = flag.String("net-config-path", "/etc/kube-flannel/net-conf.json", "the network's configuration")
	subnetFile  = flag.String("subnet-file", "/run/flannel/subnet.env", "where to write this machine's range")
	showVersion = flag.Bool("version", false, "print the version and exit")
)

func main() {
	klog.InitFlags(nil)
	flag.Parse()
	if *showVersion {
		fmt.Println(version.Version)
		return
	}
	if !*fromAPI {
		klog.Exit("ranges come from the Kubernetes API only: leave out --kube-subnet-mgr=false")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, stop); err != nil && ctx.Err() == nil {
		klog.Exit(err)
	}
}

// run keeps the network up until ctx ends.
func run(ctx context.Context, stop context.CancelFunc) error {
	manager, err := kube.NewSubnetManager(ctx, "", *kubeconfig, annotations, *netConfig, true)
	if err != nil {
		return fmt.Errorf("subnet manager: %w", err)
	}
	config, err := manager.GetNetworkConfig(ctx)
	if err != nil {
		return fmt.Errorf("network configuration: %w", err)
	}
	outside, err := external(ctx, manager, config)
	if err != nil {
		return fmt.Errorf("interface %q: %w", *iface, err)
	}
	chosen, err := backend.NewManager(ctx, manager, outside).GetBackend(config.BackendType)
	if err != nil {
		return fmt.Errorf("backend: %w", err)
	}
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	network, err := chosen.RegisterNetwork(ctx, &running, config)
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	if err := filter(ctx, config, network); err != nil {
		return fmt.Errorf("packet filter: %w", err)
	}
	lease := network.Lease()
	err = manager.HandleSubnetFile(*subnetFile, config, *masquerade, lease.Subnet, lease.IPv6Subnet, network.MTU())
	if err != nil {
		return fmt.Errorf("%s: %w", *subnetFile, err)
	}
	running.Add(1)
	go func() {
		defer running.Done()
		network.Run(ctx)
	}()
	if err := manager.CompleteLease(ctx, lease, &running); err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	klog.Infof("flannel %s is up: %s by %s", version.Version, lease.Subnet, config.BackendType)
	<-ctx.Done()
	return nil
}

// external finds the interface that other machines are reached by.
func external(ctx context.Context, manager subnet.Manager, config *subnet.Config) (*backend.ExternalInterface, error) {
	family, err := ipmatch.GetIPFamily(config.EnableIPv4, config.EnableIPv6)
	if err != nil {
		return nil, err
	}
	public, public6 := manager.GetStoredPublicIP(ctx)
	return ipmatch.LookupExtIface(*iface, "", "", family, ipmatch.PublicIPOpts{PublicIP: public, PublicIPv6: public6})
}

// filter removes the rules of the packet filter that is not used, and keeps those of the other in place.
func filter(ctx context.Context, config *subnet.Config, network backend.Network) error {
	var used, unused trafficmngr.TrafficManager = &iptables.IPTablesManager{}, &nftables.NFTablesManager{}
	if config.EnableNFTables {
		used, unused = unused, used
	}
	if err := unused.CleanUp(ctx); err != nil {
		return err
	}
	if err := used.Init(ctx); err != nil {
		return err
	}
	if *masquerade {
		none := ip.IP6Net{IP: (*ip.IP6)(big.NewInt(0))}
		err := used.SetupAndEnsureMasqRules(ctx, config.Network, earlier("FLANNEL_SUBNET"), earlier("FLANNEL_NETWORK"),
			config.IPv6Network, none, none, network.Lease(), resyncSeconds, false)
		if err != nil {
			return err
		}
	}
	used.SetupAndEnsureForwardRules(ctx, config.Network, config.IPv6Network, resyncSeconds)
	return nil
}

// earlier is the range that the subnet file of an earlier run has under key; empty where there is none.
func earlier(key string) ip.IP4Net {
	text, _ := os.ReadFile(*subnetFile)
	for _, line := range strings.Split(string(text), "\n") {
		if value, found := strings.CutPrefix(line, key+"="); found {
			if _, network, err := net.ParseCIDR(value); err == nil {
				return ip.FromIPNet(network)
			}
		}
	}
	return ip.IP4Net{}
}
