package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/distribution/v3/registry/auth"
)

// What `anywhere registry user add` calls users, which keeps names within the folder.
var userName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)

func init() {
	if err := auth.Register("anywhere", newAccess); err != nil {
		panic(err)
	}
}

// access lets users do everything, by name and password, and the machines of the cluster pull, by the certificate that
// their kubelets have.
//
// users is a folder with a file for each user, which has the SHA-256 of the password. A slow hash, as of htpasswd, would
// protect passwords that people think up; these are 160 bits of chance, and clients send them with each request.
type access struct {
	users string
}

func newAccess(options map[string]any) (auth.AccessController, error) {
	users, ok := options["users"].(string)
	if !ok || users == "" {
		return nil, errors.New("auth.anywhere.users is the folder of users")
	}
	return access{users}, nil
}

// Authorized is asked with each request.
func (a access) Authorized(request *http.Request, asked ...auth.Access) (*auth.Grant, error) {
	if name := machine(request.TLS); name != "" && pulls(asked) {
		return &auth.Grant{User: auth.UserInfo{Name: name}}, nil
	}
	name, password, given := request.BasicAuth()
	if !given {
		return nil, challenge{auth.ErrInvalidCredential}
	}
	if !a.knows(name, password) {
		return nil, challenge{auth.ErrAuthenticationFailure}
	}
	return &auth.Grant{User: auth.UserInfo{Name: name}}, nil
}

// knows says whether the password is that of the user now: files change while the registry runs.
func (a access) knows(name, password string) bool {
	if !userName.MatchString(name) {
		return false
	}
	wanted, err := os.ReadFile(filepath.Join(a.users, name))
	if err != nil {
		return false
	}
	sum := sha256.Sum256([]byte(password))
	given := hex.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(strings.TrimSpace(string(wanted))), []byte(given)) == 1
}

// machine is the name of the node that a verified certificate is of, as the API server reads it; "" where it is of none.
func machine(connection *tls.ConnectionState) string {
	if connection == nil || len(connection.VerifiedChains) == 0 {
		return ""
	}
	subject := connection.VerifiedChains[0][0].Subject
	if !slices.Contains(subject.Organization, "system:nodes") || !strings.HasPrefix(subject.CommonName, "system:node:") {
		return ""
	}
	return subject.CommonName
}

// pulls says whether nothing but pulling from repositories is asked for.
func pulls(asked []auth.Access) bool {
	return !slices.ContainsFunc(asked, func(one auth.Access) bool {
		return one.Type != "repository" || one.Action != "pull"
	})
}

// challenge asks for a name and a password.
type challenge struct {
	error
}

// SetHeaders is how HTTP asks for them.
func (challenge) SetHeaders(_ *http.Request, answer http.ResponseWriter) {
	answer.Header().Set("WWW-Authenticate", fmt.Sprintf("Basic realm=%q", "registry"))
}
