// What a page tells where what it asked for was not answered as it wished.

/** In the server's own words, where it has any for a page. */
export function readFault(xhr) {
  if (!xhr.status) return "The server does not answer.";
  const type = xhr.getResponseHeader("Content-Type") ?? "";
  return type.startsWith("text/plain") ? xhr.responseText : `The server answers with an error (${xhr.status}).`;
}
