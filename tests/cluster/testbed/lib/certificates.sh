# shellcheck shell=bash
# The cluster's certificates and kubeconfigs, made once.

certificates() {
	mkdir -p "$PKI"
	authority ca
	authority front-proxy-ca
	service_account_key
	local host=kubernetes names=DNS:kubernetes part name i
	for part in default svc cluster.local; do
		host+=.$part
		names+=,DNS:$host
	done
	names+=,DNS:localhost,IP:127.0.0.1,IP:$SERVICE_NET.0.1,IP:$NODE_NET.1
	certificate apiserver ca /CN=kube-apiserver "$names"
	certificate apiserver-kubelet ca /O=system:masters/CN=kube-apiserver-kubelet-client
	certificate front-proxy front-proxy-ca /CN=front-proxy-client
	certificate admin ca /O=system:masters/CN=admin
	certificate testbed ca /O=system:masters/CN=testbed
	for name in kube-controller-manager kube-scheduler kube-proxy; do
		certificate "$name" ca "/CN=system:$name"
	done
	for name in admin kube-controller-manager kube-scheduler kube-proxy; do kubeconfig "$name"; done
	for ((i = 1; i <= NODES; i++)); do
		certificate "kubelet$i" ca "/O=system:nodes/CN=system:node:node$i" "DNS:node$i,IP:$NODE_NET.$i"
		kubeconfig "kubelet$i"
	done
}

new_key() { # NAME
	openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/$1.key"
}

service_account_key() {
	[ ! -s "$PKI/sa.pub" ] || return 0
	openssl genrsa -out "$PKI/sa.key" 2048 2>/dev/null
	openssl rsa -in "$PKI/sa.key" -pubout -out "$PKI/sa.pub" 2>/dev/null
}

authority() { # NAME
	[ ! -s "$PKI/$1.crt" ] || return 0
	new_key "$1"
	openssl req -x509 -new -key "$PKI/$1.key" -days 3650 -subj "/CN=$1" -out "$PKI/$1.crt" \
		-addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
}

certificate() { # NAME AUTHORITY SUBJECT [ALTERNATIVE-NAMES]
	[ ! -s "$PKI/$1.crt" ] || return 0
	new_key "$1"
	openssl req -new -key "$PKI/$1.key" -subj "$3" |
		openssl x509 -req -CA "$PKI/$2.crt" -CAkey "$PKI/$2.key" -CAcreateserial -days 3650 \
			-out "$PKI/$1.crt" -extfile <(
				printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n'
				[ -z "${4:-}" ] || printf 'subjectAltName=%s\n' "$4"
			) 2>/dev/null
}

kubeconfig() { # NAME
	local file=$PKI/$1.kubeconfig authority certificate key
	[ ! -s "$file" ] || return 0
	authority=$(base64 -w0 "$PKI/ca.crt")
	certificate=$(base64 -w0 "$PKI/$1.crt")
	key=$(base64 -w0 "$PKI/$1.key")
	install -m 600 /dev/stdin "$file" <<-YAML
		apiVersion: v1
		kind: Config
		clusters: [{name: $CONTEXT, cluster: {server: "https://$API", certificate-authority-data: $authority}}]
		users: [{name: $CONTEXT, user: {client-certificate-data: $certificate, client-key-data: $key}}]
		contexts: [{name: $CONTEXT, context: {cluster: $CONTEXT, user: $CONTEXT}}]
		current-context: $CONTEXT
	YAML
}
