// Package common stands in for the SDK of Tencent's cloud, which flannel imports for one backend that no
// target here uses: see the vpc package beside it.
package common

func StringPtr(value string) *string { return &value }

func StringPtrs(values []string) []*string {
	pointers := make([]*string, len(values))
	for i := range values {
		pointers[i] = &values[i]
	}
	return pointers
}

func BoolPtr(value bool) *bool { return &value }
