#!/usr/bin/env bash
# Has nginx and HAProxy write the logs of this folder: both are started on loopback, asked the same things by curl, and stopped.
# Usage: audit/format/testdata/record.sh   (needs nginx, haproxy, curl; writes nginx-*.log and haproxy-*.log beside itself)
set -euo pipefail
out=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait || true; rm -rf "$dir"' EXIT
mkdir "$dir/logs"
cat >"$dir/nginx.conf" <<'CONF'
daemon off;
pid nginx.pid;
error_log logs/error.log;
events {}
http {
  client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
  log_format gateway '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
                     '$request_id $host "$http_x_app_key" "$http_x_purpose"';
  log_format json escape=json '{"msec":$msec,"request_id":"$request_id","request_method":"$request_method","request_uri":"$request_uri","status":$status,"host":"$host","http_x_app_key":"$http_x_app_key","http_x_purpose":"$http_x_purpose"}';
  access_log logs/nginx-combined.log combined;
  access_log logs/nginx-gateway.log gateway;
  access_log logs/nginx-json.log json;
  server {
    listen 127.0.0.1:18480;
    location /rest/ { if ($http_x_app_key = "com.evil") { return 403; } return 200 '{}'; }
    location / { return 404; }
  }
}
CONF
cat >"$dir/haproxy.cfg" <<'CONF'
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 1s
frontend api
  bind 127.0.0.1:18481
  log stdout len 8192 format raw local0
  option httplog
  capture request header X-Request-Id len 64
  capture request header X-App-Key len 128
  capture request header X-Purpose len 128
  capture request header Host len 128
  default_backend nginx
backend nginx
  server one 127.0.0.1:18480
frontend plain
  bind 127.0.0.1:18482
  log stdout format rfc3164 local0
  option httplog
  default_backend nginx
CONF
nginx -p "$dir" -c "$dir/nginx.conf" 2>"$dir/logs/start.log" &
haproxy -f "$dir/haproxy.cfg" -db >"$dir/logs/haproxy.log" 2>"$dir/logs/haproxy.err" &
for port in 18480 18481 18482; do
  for _ in $(seq 50); do (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null && break; sleep 0.1; done
done
sleep 0.3
for port in 18480 18481 18482; do
  n=0
  ask() { # app, purpose, path
    n=$((n + 1))
    curl -s -o /dev/null -g --path-as-is -A "acme/2 (mailer)" -H "Host: site-1.platform.example" -H "X-Request-Id: r-$n" -H "X-App-Key: $1" -H "X-Purpose: $2" "${@:4}" "http://127.0.0.1:$port$3"
  }
  ask com.acme security-alerts '/rest/api/3/user/email?accountId=5b10a2844c20165700ede21f'
  ask com.acme security-alerts '/rest/api/3/user/email/bulk?accountId=a-1&accountId=a-2&accountId=712020%3Af58131cb'
  ask com.acme marketing '/rest/api/3/user/email/bulk?accountId=a-1,a-2%2Ca-3&expand='
  ask com.evil '' '/rest/api/3/user/email?accountId=a-1'
  ask com.acme security-alerts '/rest/api/3/user/email?accountId=a-4&q=ann%40people.example&who=ben@people.example'
  ask com.acme security-alerts '/rest/api/3/user/email?accountId=cleo%40people.example'
  ask com.acme security-alerts '/rest/api/3/user/../user/%65mail?accountId=a-5' -X HEAD --max-time 2 || true
  ask com.acme 'say "hi" {x|y} #1' '/rest/api/3/user/email?accountId=a"6'
  ask com.acme security-alerts '/favicon.ico'
  printf 'nonsense\r\n\r\n' | { exec 3<>/dev/tcp/127.0.0.1/$port; cat >&3; timeout 2 cat <&3 >/dev/null || true; exec 3>&-; } || true
done
sleep 0.5
for log in combined gateway json; do head -n 10 "$dir/logs/nginx-$log.log" >"$out/nginx-$log.log"; done
grep -a ' api nginx/\| api api/' "$dir/logs/haproxy.log" >"$out/haproxy-captures.log"
grep -a ' plain nginx/\| plain plain/' "$dir/logs/haproxy.log" >"$out/haproxy-plain.log"
