// Package exposure finds addresses of end users, and hashes of them, in what apps show, deliver and send: pages, scripts, texts, HTTP archives, and the
// URLs of mails.
//
// A Finder reads documents first, and knows no address. Of each text it collects what could be one, as it stands and in whatever can be decoded out
// of it: a text is a node, each decoder that finds its shape there makes further nodes of what it decoded, and so on, at most five steps deep and
// within limits of nodes and bytes. What has the shape of an address, normalised, and what has the shape of a hash, is a candidate, with the place where
// it was and the chain of steps that led there. Then a Matcher takes the addresses that were handed out, one at a time, looks each up among the
// candidates, and its hashes of those kinds whose shape was seen at all. So what counts is decided by the addresses, not by looks; candidates that
// nobody was handed out are forgotten; and memory depends on the documents only.
//
// To be fast, a text is not decoded whole. A first pass looks for leads: an at-sign, a percent sign before a hexadecimal digit, a run of base64's
// letters, and so on, in bit masks of 64 bytes each (docs/decisions/016). Each lead is looked at in its neighbourhood only, and almost all come to nothing
// there.
package exposure
