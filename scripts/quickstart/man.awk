# Paragraphs of manual pages in roff (the man macros); a page is a document. Examples, tables,
# synopses and font changes are left out.
FNR == 1 { end_document(); skipping = 0; section = "" }

/^[.'][ \t]*\\"/ || /^\\"/ { next }
/^\.[ \t]*(nf|EX|TS|de|ig|SY|UR|MT)/ { if ($0 !~ /^\.[ \t]*(UR|MT)/) ++skipping; next }
/^\.[ \t]*(fi|EE|TE|YS)/ || /^\.\.$/ { if (skipping > 0) --skipping; next }
/^\.[ \t]*S[HS]/ {
  end_paragraph()
  section = $0
  skipping = 0
  next
}
skipping > 0 || section ~ /COLOPHON|COPYRIGHT|AUTHOR|SYNOPSIS|\.SH NAME|SEE ALSO/ { next }
section ~ /\346\233\270\345\274\217|\345\220\215\345\211\215|\350\221\227\344\275\234\346\250\251|\344\275\234\350\200\205|\351\226\242\351\200\243\351\240\205\347\233\256/ { next }
section ~ /\343\201\223\343\201\256\346\226\207\346\233\270/ { next }

# Words in another font are part of the sentence; of alternating fonts, without spaces between.
/^\.(B|I|R|SM|SB)[ \t]/ { sub(/^\.[A-Z]+[ \t]+/, ""); gsub(/"/, ""); add_words(roff($0)); next }
/^\.(BR|RB|BI|IB|IR|RI)[ \t]/ {
  sub(/^\.[A-Z]+[ \t]+/, "")
  add_words(roff(alternate($0)))
  next
}
# A tag paragraph begins with its tag on the next line, which is not prose.
/^\.[ \t]*(TP|TQ)/ { end_paragraph(); after_tag = 1; next }
/^[.']/ { end_paragraph(); next }
/^[ \t]*$/ { end_paragraph(); next }
{ add_words(roff($0)) }
after_tag { paragraph = ""; after_tag = 0 }

END { end_document() }

# The arguments one after another; quotes keep spaces inside an argument.
function alternate(arguments,    joined, quoted, i, c) {
  gsub(/\\ /, "\\~", arguments)
  for (i = 1; i <= length(arguments); ++i) {
    c = substr(arguments, i, 1)
    if (c == "\"") quoted = !quoted
    else if (quoted || (c != " " && c != "\t")) joined = joined c
  }
  return joined
}

function roff(text) {
  sub(/[ \t]*\\".*/, "", text)
  gsub(/\\f(\[[^]]*\]|\([!-~][!-~]|[!-~])/, "", text)
  gsub(/\\s[-+]?[0-9]/, "", text)
  gsub(/\\\*\((lq|rq)|\\\((lq|rq|dq)|\\\[(lq|rq|dq)\]/, "\"", text)
  gsub(/\\\((aq|oq|cq)|\\\[(aq|oq|cq)\]/, "'", text)
  gsub(/\\\((en|mi|hy|em)|\\\[(en|mi|hy|em)\]|\\-/, "-", text)
  gsub(/\\\((ha)|\\\[ha\]/, "^", text)
  gsub(/\\\((ti)|\\\[ti\]/, "~", text)
  gsub(/\\\((rs)|\\\[rs\]|\\e/, "\001", text)
  gsub(/\\[~0 ]/, " ", text)
  gsub(/\\\(..|\\\[[^]]*\]|\\\*\(..|\\\*\[[^]]*\]|\\\*.|\\[hvwu]'[^']*'/, "", text)
  gsub(/\\[!-~]/, "", text)
  gsub(/\001/, "\\", text)
  return text
}
