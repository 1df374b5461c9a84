package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/web"
	"github.com/mailreeve/mailreeve/vendorpage"
)

// vendorSite is where the vendors' page is served; nil where notices lead to none.
func vendorSite(cfg *config.Config, log *slog.Logger) (*web.Site, error) {
	v := cfg.Vendor
	if v.PublicURL == "" {
		return nil, nil
	}
	site, err := web.New(web.Config{Listen: v.Listen, PublicURL: v.PublicURL, MaxBody: vendorpage.MaxBody, Log: log})
	if err != nil {
		return nil, fmt.Errorf("vendor.%w", err)
	}
	return site, nil
}

// serveVendors serves the vendors' page until ctx is done, where notices lead to one.
func (s *system) serveVendors(ctx context.Context) error {
	site, err := vendorSite(s.cfg, s.log)
	if site == nil || err != nil {
		return err
	}
	page, err := vendorpage.New(site, s.desk(), s.log)
	if err != nil {
		return err
	}
	l, err := site.Listen(ctx)
	if err != nil {
		return fmt.Errorf("vendor.%w", err)
	}
	s.log.Info("the vendors' page is served", "at", l.Addr().String(), "for", site.URL(nil, "/"))
	return site.Serve(ctx, l, page.Handler())
}

// vendorPage says whether vendors can reach their page, as far as it can be told from here.
func (d *doctor) vendorPage() {
	v, n := d.cfg.Vendor, d.cfg.Notices
	site, err := vendorSite(d.cfg, nil)
	switch {
	case err != nil:
		d.wrong("vendor page", "%w", err)
	case site == nil && v.Listen != "":
		d.warn("vendor page", "vendor.listen is set, and vendor.public_url is not: notices have no link, and no page is served; say under which URL vendors reach %s", v.Listen)
	case site == nil:
	case n.From == "" || n.SMTP == "":
		d.warn("vendor page", "it is served, and nobody gets a link to it: notices need notices.from and notices.smtp")
	case !site.Secure():
		d.warn("vendor page", "vendor.public_url is not https: links and cookies can be read on their way; put a proxy that speaks TLS before %s (docs/vendor-page.md)", v.Listen)
	case !site.Loopback():
		d.warn("vendor page", "vendor.listen is %s, which others than the proxy reach, too, without TLS: let it listen where only the proxy does", v.Listen)
	default:
		d.ok("vendor page", "%s, at %s", site.URL(nil, "/"), v.Listen)
	}
}

// writeAttachment writes the file that a vendor attached to a finding of a notice.
func (s *system) writeAttachment(ctx context.Context, w io.Writer, findings []string, id string) error {
	list, err := s.store.Attachments(ctx, findings)
	if err != nil {
		return err
	}
	for _, a := range list {
		if a.ID != id {
			continue
		}
		found, err := s.store.Attachment(ctx, id)
		if err != nil {
			return err
		}
		_, err = w.Write(found.Content)
		return err
	}
	return fmt.Errorf("attachment %q: %w: mailreeve notices show lists what was attached", id, store.ErrNotFound)
}
