#!/bin/sh
# Writes what a zone holds into $ZONE_DIR, each file for its owner alone, before the zone's program starts.
#   ARNS     `file=ARN …` of secrets in AWS Secrets Manager
#   OBJECTS  `file=instance/file/SHA-256 …` of objects in $BUCKET: the bundle, policies, and what else is public
# No secret is in the environment, in an argument or in the output.
set -eu
umask 077
cd "$ZONE_DIR"
chmod 0700 .

for pair in $ARNS; do
  file=${pair%%=*}
  case $file in */*) mkdir -p "${file%/*}" ;; esac
  aws secretsmanager get-secret-value --secret-id "${pair#*=}" --query '[SecretString][?@]' --output text >"$file"
  if ! [ -s "$file" ]; then
    echo "$file: its secret holds no text; store it as SecretString" >&2
    exit 1
  fi
done

for pair in $OBJECTS; do
  file=${pair%%=*} key=${pair#*=}
  case $file in */*) mkdir -p "${file%/*}" ;; esac
  aws s3api get-object --bucket "$BUCKET" --key "$key" "$file" >/dev/null
  echo "${key##*/}  $file" | sha256sum -c - >&2
done

[ -z "${OWNER:-}" ] || chown -R "$OWNER" .
