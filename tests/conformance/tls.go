package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Authority is a certificate authority of the test's own.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	// PEM is its certificate.
	PEM string
}

// Identity is a certificate and its key.
type Identity struct {
	Certificate, Key string
	pair             tls.Certificate
}

func newAuthority(t *testing.T) *Authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "Conformance authority"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Authority{certificate, key, toPEM("CERTIFICATE", der)}
}

// issue signs a certificate for 127.0.0.1 that is valid until an hour from now, or was until then.
func (a *Authority) issue(t *testing.T, notAfter time.Time) Identity {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "conformance"},
		NotBefore:    time.Now().Add(-48 * time.Hour),
		NotAfter:     notAfter,
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	identity := Identity{Certificate: toPEM("CERTIFICATE", der), Key: toPEM("PRIVATE KEY", encoded)}
	if identity.pair, err = tls.X509KeyPair([]byte(identity.Certificate), []byte(identity.Key)); err != nil {
		t.Fatal(err)
	}
	return identity
}

// startTLS is an upstream behind TLS. With clients it wants a certificate that they signed.
func startTLS(t *testing.T, identity Identity, clients *Authority, handler http.Handler) *Upstream {
	t.Helper()
	u := &Upstream{}
	u.Server = httptest.NewUnstartedServer(u.record(handler))
	u.TLS = &tls.Config{Certificates: []tls.Certificate{identity.pair}}
	if clients != nil {
		pool := x509.NewCertPool()
		pool.AddCert(clients.certificate)
		u.TLS.ClientCAs, u.TLS.ClientAuth = pool, tls.RequireAndVerifyClientCert
	}
	u.Config.ErrorLog = quiet
	u.StartTLS()
	t.Cleanup(u.Close)
	return u
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func toPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// quiet swallows what a server says of handshakes that were meant to fail.
var quiet = log.New(io.Discard, "", 0)
