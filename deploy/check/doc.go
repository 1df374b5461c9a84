// Package check holds the files of deploy/ against the programs that read them: Kubernetes' own types and Pod Security Standard, compose's schema and
// loader, BuildKit's parser of Dockerfiles. It is a module of its own, because mailreeve needs none of these. That the commands, options and
// configurations in the files are mailreeve's is tested where these are, in cmd/mailreeve.
package check
