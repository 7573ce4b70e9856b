// Command volume makes or removes the folder of a volume. local-path-provisioner starts it in a pod on the machine that
// the volume is on, with these arguments; the variable VOLUMES says which folder all volumes are in.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

var (
	path   = flag.String("p", "", "path of the volume")
	action = flag.String("a", "", "create or delete")
	_      = flag.String("m", "", "mode of the volume: only file systems are asked for")
	_      = flag.Int64("s", 0, "bytes that the claim asks for, which nothing enforces")
)

func main() {
	flag.Parse()
	if err := run(os.Getenv("VOLUMES"), *path, *action); err != nil {
		fmt.Fprintf(os.Stderr, "volume: %v\n", err)
		os.Exit(1)
	}
}

// run does what is asked in the folder volumes, and nowhere else: a StorageClass may ask for a path of its own.
func run(volumes, path, action string) error {
	if !filepath.IsAbs(volumes) || filepath.Clean(path) != path || filepath.Dir(path) != volumes || path == volumes {
		return fmt.Errorf("%q is no volume in %q", path, volumes)
	}
	folder, err := os.OpenRoot(volumes)
	if err != nil {
		return err
	}
	defer folder.Close()
	switch action {
	case "create":
		return create(folder, filepath.Base(path))
	case "delete":
		return folder.RemoveAll(filepath.Base(path))
	}
	return fmt.Errorf("%q is neither create nor delete", action)
}

// create makes a volume that pods of any user may write to. Whoever is on the machine and not root does not reach it.
func create(folder *os.Root, name string) error {
	if err := folder.Chmod(".", 0o700); err != nil {
		return err
	}
	if err := folder.Mkdir(name, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return folder.Chmod(name, 0o777) // again, as a umask takes from what Mkdir gives
}
