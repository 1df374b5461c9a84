package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"strings"

	"github.com/minio/minio-go/v7"
)

// ErrReplaced is wrapped where an object is not the one any more that was asked for.
var ErrReplaced = errors.New("the object was replaced while it was read")

// ErrUnsupported is wrapped where the storage does not know a request.
var ErrUnsupported = errors.New("the storage does not support this")

// ErrUnreachable is wrapped where the storage does not answer, or says that it cannot now: the same may do later.
var ErrUnreachable = errors.New("the storage cannot be reached")

// An Error says what went wrong with an object, and what to do. It holds nothing that the storage said but the code.
type Error struct {
	URL string // of the object, or what its bucket and prefix make
	Why string
	err error
}

func (e *Error) Error() string { return e.URL + ": " + e.Why }

func (e *Error) Unwrap() error { return e.err }

// WithoutURL is an error of this package for those who name the object themselves.
func WithoutURL(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return nameless{e}
	}
	return err
}

type nameless struct{ named *Error }

func (e nameless) Error() string { return e.named.Why }

func (e nameless) Unwrap() error { return e.named }

// code is what a storage's error code may look like: anything else is no code, and told nobody.
var code = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9.]{0,63}$`)

// explain says what an answer means. What the storage says in words is left out: it may repeat what a request held.
func (c *Client) explain(ctx context.Context, bucket, key, action string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	at := Scheme + bucket + "/" + key
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return &Error{at, "the storage cannot be reached: " + c.unreachable(err), fmt.Errorf("%w: %w", ErrUnreachable, err)}
	}
	said := fmt.Sprintf("%s, HTTP status %d", answer.Code, answer.StatusCode)
	if !code.MatchString(answer.Code) {
		said = fmt.Sprintf("HTTP status %d", answer.StatusCode)
	}
	say := func(why string, cause error) error { return &Error{at, fmt.Sprintf("%s (%s)", why, said), cause} }
	switch answer.Code {
	case minio.NoSuchBucket:
		return say("there is no such bucket: see its name, and the endpoint and region in the environment", fs.ErrNotExist)
	case minio.NoSuchKey, "NoSuchUpload":
		return say("there is no such object", fs.ErrNotExist)
	case minio.AccessDenied, "AllAccessDisabled", "AccountProblem":
		return say("access is denied: allow "+action+" to the credentials in use (docs/operations.md has the policy)", fs.ErrPermission)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "ExpiredTokenException":
		return say("the credentials are not accepted: see AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the role", fs.ErrPermission)
	case "RequestTimeTooSkewed":
		return say("this machine's clock differs too much from the storage's: set it", nil)
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "InvalidRegion", "IllegalLocationConstraintException":
		return say("the bucket is in another region: set AWS_REGION to it", nil)
	case minio.PreconditionFailed, "ConditionalRequestConflict":
		if action == "s3:PutObject" {
			return say("the object exists already", fs.ErrExist)
		}
		return say("the object was replaced while it was read; the next run reads it", ErrReplaced)
	case minio.NotImplemented, "NotSupported":
		return say("the storage does not support "+action, ErrUnsupported)
	case "SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests":
		return say("the storage asks for fewer requests, also after some seconds: run again later, or raise its limits", ErrUnreachable)
	case "InvalidObjectState":
		return say("the object is archived (Glacier): restore it, or keep audited logs in a class that can be read at once", nil)
	case "QuotaExceeded", "XMinioStorageFull", "EntityTooLarge":
		return say("the storage is full, or its quota used up: make room and run again", nil)
	}
	switch {
	case answer.StatusCode == 401 || answer.StatusCode == 403:
		return say("access is denied: allow "+action+" to the credentials in use (docs/operations.md has the policy)", fs.ErrPermission)
	case answer.StatusCode == 404:
		return say("there is no such object or bucket: see the name, and the endpoint in the environment", fs.ErrNotExist)
	case answer.StatusCode == 412:
		return say("the object was replaced while it was read; the next run reads it", ErrReplaced)
	case answer.StatusCode == 503 || answer.StatusCode == 429:
		return say("the storage is overloaded or asks for fewer requests, also after some seconds: run again later, or raise its limits", ErrUnreachable)
	case answer.StatusCode >= 500 || answer.StatusCode == 408:
		return say("the storage fails, also after some seconds: see its health, and run again", ErrUnreachable)
	}
	return say("the storage refuses the request: see that AWS_ENDPOINT_URL_S3 names an S3 endpoint", nil)
}

// passes says whether the same request may do some time later.
func passes(err error) bool {
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		var untrusted *tls.CertificateVerificationError
		return !errors.As(err, &untrusted)
	}
	switch answer.Code {
	case "SlowDown", "SlowDownRead", "SlowDownWrite", "RequestTimeout", "RequestError", "OperationAborted", "ConditionalRequestConflict", "BadDigest", "IncompleteBody":
		return true
	}
	return answer.StatusCode >= 500 && answer.StatusCode != 501 || answer.StatusCode == 429 || answer.StatusCode == 408
}

// unreachable says why there was no answer, and what to do.
func (c *Client) unreachable(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the request's address, which says no more
	}
	text := err.Error()
	if value, e := c.credentials(); e == nil { // no transport says them; should one ever, nobody reads them
		for _, secret := range []string{value.SecretAccessKey, value.SessionToken, value.AccessKeyID} {
			if secret != "" {
				text = strings.ReplaceAll(text, secret, "…")
			}
		}
	}
	advice := "see AWS_ENDPOINT_URL_S3 and whether the storage runs"
	if c.aws {
		advice = "see AWS_REGION and the network"
	}
	return fmt.Sprintf("%s (%s)", text, advice)
}
