/** Which addresses a reply may link to. */

const ALLOWED_PROTOCOLS = new Set(["http:", "https:", "mailto:"]);

/** The address to link to, or null when it must stay text. */
export function safeUrl(href: string): string | null {
  try {
    const url = new URL(href.trim());
    const hasCredentials = url.username !== "" || url.password !== "";
    return ALLOWED_PROTOCOLS.has(url.protocol) && !hasCredentials ? url.href : null;
  } catch {
    // Relative addresses too: a reply knows nothing of this page's.
    return null;
  }
}
