// Command hyperkube is every Kubernetes component in one binary. It plays the role that it is called
// by (a link named kube-apiserver) or that its first argument names (hyperkube kube-apiserver).
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

var roles = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-proxy":              proxy.NewProxyCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"kubectl":                 kubectl.NewDefaultKubectlCommand,
}

const usage = `usage: hyperkube ROLE [FLAGS]
ROLE is one of kube-apiserver, kube-controller-manager, kube-proxy, kube-scheduler, kubelet, kubectl.
`

func main() {
	name := filepath.Base(os.Args[0])
	role, found := roles[name]
	if !found && len(os.Args) > 1 {
		// The components read os.Args themselves: give them what a link would have given.
		name = os.Args[1]
		role, found = roles[name]
		os.Args = os.Args[1:]
	}
	if !found {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if name == "kubectl" {
		if err := cli.RunNoErrOutput(role()); err != nil {
			util.CheckErr(err)
		}
		return
	}
	startLazily()
	os.Exit(cli.Run(role()))
}
