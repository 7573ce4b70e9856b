// Command registry is the registry of a cluster: CNCF distribution on a folder, with an access controller of its own.
//
// Its command line is that of distribution, but for `registry collect FOLDER`, which removes what no image has any more.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/distribution/distribution/v3/registry"
	"github.com/distribution/distribution/v3/registry/storage"
	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

const outcome = "/dev/termination-log" // what Kubernetes shows of a container that has ended

func main() {
	if len(os.Args) != 3 || os.Args[1] != "collect" {
		if err := registry.RootCmd.Execute(); err != nil {
			os.Exit(1)
		}
		return
	}
	said := report(os.Args[2])
	fmt.Println(said)
	if file, err := os.OpenFile(outcome, os.O_WRONLY, 0); err == nil {
		defer file.Close()
		fmt.Fprint(file, said)
	}
}

// report collects, and says in words how that ended. It is no reason not to serve where it failed: all images are there.
func report(folder string) string {
	before, err := size(folder)
	if err == nil {
		err = collect(folder)
	}
	after, failed := size(folder)
	if err = errors.Join(err, failed); err != nil {
		return fmt.Sprintf("failed: %v", err)
	}
	return fmt.Sprintf("freed %d bytes, kept %d", max(before-after, 0), after)
}

// collect removes the layers and manifests in folder that no image has any more. Nobody else may write there meanwhile.
func collect(folder string) error {
	for _, name := range []string{"repositories", "blobs"} { // a new volume has neither, which the collector takes ill
		if err := os.MkdirAll(filepath.Join(folder, "docker", "registry", "v2", name), 0o755); err != nil {
			return err
		}
	}
	ctx := context.Background()
	driver, err := filesystem.FromParameters(map[string]any{"rootdirectory": folder})
	if err != nil {
		return err
	}
	images, err := storage.NewRegistry(ctx, driver)
	if err != nil {
		return err
	}
	return storage.MarkAndSweep(ctx, driver, images, storage.GCOpts{Quiet: true})
}

// size is the bytes of all files in folder.
func size(folder string) (int64, error) {
	var bytes int64
	err := filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	return bytes, err
}
