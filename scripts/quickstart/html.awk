# Paragraphs of HTML guides (DocBook, Sphinx); a section is a document. Each record is one tag and
# the text after it. Code, tables and navigation are left out.
BEGIN { RS = "<" }

FNR == 1 { end_document(); skipping = inside = 0; next }

{
  close_of_tag = index($0, ">")
  if (close_of_tag == 0) next
  tag = tolower(substr($0, 1, close_of_tag - 1))
  text = substr($0, close_of_tag + 1)
  name = tag
  sub(/[ \t\r\n].*/, "", name)

  if (name ~ /^(script|style|pre|table|nav|head)$/) ++skipping
  else if (name ~ /^\/(script|style|pre|table|nav|head)$/) --skipping
  if (name ~ /^(p|li|dt|dd|div|h[1-6]|\/p|\/li|\/dt|\/dd|\/div|\/h[1-6])$/) {
    end_html_paragraph()
    inside = (name == "p")
  }
  if (name ~ /^h[1-3]$/) end_document()
  if (inside && skipping <= 0) raw = raw text
}

END { end_html_paragraph(); end_document() }

# Inline tags do not separate words, so lines are joined only when the paragraph is complete.
function end_html_paragraph(    lines, count, i) {
  count = split(raw, lines, "\n")
  for (i = 1; i <= count; ++i) add_words(decode(lines[i]))
  raw = ""
  end_paragraph()
}

function decode(text) {
  gsub(/&nbsp;|&#160;|\302\240/, " ", text)
  gsub(/&lt;/, "<", text)
  gsub(/&gt;/, ">", text)
  gsub(/&quot;|&#34;/, "\"", text)
  gsub(/&#39;|&apos;/, "'", text)
  gsub(/&[a-z]+;|&#[0-9]+;/, "", text)
  gsub(/&amp;/, "\\&", text)
  return text
}
