"""What a founder asks for, decided the same way over HTTP and over the socket."""
