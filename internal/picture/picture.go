// Package picture takes the pictures of pages that stand in docs/pictures, for the tests that do so when they are told to.
package picture

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Most is how large a picture may be, in bytes, and MostOfAll how large all of them together.
const (
	Most      = 120 << 10
	MostOfAll = 1500 << 10
)

// masked writes over what looks like an address, and gives whether any is left.
const masked = `(() => {
	const address = /[^\s@<>"'(),;:]+@[^\s@<>"'(),;:]+/g;
	const walk = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
	for (let n; n = walk.nextNode();) if (n.nodeValue.includes("@")) n.nodeValue = n.nodeValue.replace(address, "●●●@●●●");
	return !/[^●\s]@|@[^●\s]/.test(document.body.innerText);
})()`

// Take writes what a browser's tab shows as WebP into dir/NAME.webp, addresses masked.
func Take(ctx context.Context, dir, name string) error {
	clean, err := chromedp.Run(ctx, chromedp.Evaluate[bool](masked))
	if err != nil {
		return fmt.Errorf("picture %s: masking what the page shows: %w", name, err)
	}
	if !clean {
		return fmt.Errorf("picture %s: an address is left on the page", name)
	}
	for _, quality := range []int64{80, 60, 40} {
		shot, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp, Quality: &quality})
		if err != nil {
			return fmt.Errorf("picture %s: %w", name, err)
		}
		if len(shot.Data) <= Most {
			if err := os.WriteFile(filepath.Join(dir, name+".webp"), shot.Data, 0o644); err != nil {
				return fmt.Errorf("picture %s: %w", name, err)
			}
			return nil
		}
	}
	return fmt.Errorf("picture %s: it takes more than %d bytes", name, Most)
}
