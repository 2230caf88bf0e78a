# Shared by html.awk and man.awk: gathers words into paragraphs and paragraphs into documents, and
# writes one JSON object a line: {"text": "paragraph\nparagraph"}. Only running prose is kept.
# Set `language` to en or ja. Works on bytes (run with LC_ALL=C), so any awk will do.

# Joins a line to the paragraph: no space between two Japanese characters, whose first byte is 0xE3
# or above and which are three bytes long.
function add_words(words) {
  gsub(/[ \t\r\n]+/, " ", words)
  sub(/^ /, "", words)
  if (words == "" || words == " ") return
  if (paragraph != "" && !(substr(paragraph, length(paragraph) - 2, 1) >= "\343" && words >= "\343"))
    paragraph = paragraph " "
  paragraph = paragraph words
  sub(/ $/, "", paragraph)
}

# A sentence of the language, not a command, a path, a table cell or a list of names. Japanese prose
# has a full stop (U+3002) and at least a quarter of its bytes are kana (U+3040 to U+30FF).
function is_prose(text,    kana, words) {
  if (length(text) < 60) return 0
  if (language == "ja") {
    kana = text
    return text ~ /\343\200\202/ && 12 * gsub(/\343[\201-\203][\200-\277]/, "", kana) >= length(text)
  }
  return text !~ /[\343-\377]/ && text ~ /[.:!?)]$/ && split(text, words, " ") >= 10
}

# Ends the paragraph; one seen before anywhere (licences, notices) is dropped.
function end_paragraph() {
  if (is_prose(paragraph) && !(paragraph in seen)) {
    seen[paragraph] = 1
    document = document (document == "" ? "" : "\n") paragraph
  }
  paragraph = ""
}

# The replacement text of gsub treats backslashes differently from awk to awk; joining does not.
function replace_all(text, character, replacement,    parts, count, i, joined) {
  count = split(text, parts, character)
  joined = parts[1]
  for (i = 2; i <= count; ++i) joined = joined replacement parts[i]
  return joined
}

function json_escape(text) {
  text = replace_all(text, "\\", "\\\\")
  text = replace_all(text, "\"", "\\\"")
  text = replace_all(text, "\n", "\\n")
  gsub(/[\001-\037\177]/, "", text)
  return text
}

# Documents of a sentence or two teach little about what follows what.
function end_document() {
  end_paragraph()
  if (length(document) >= 200) print "{\"text\": \"" json_escape(document) "\"}"
  document = ""
}
