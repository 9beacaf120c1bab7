from cnncli.files.html import html_table


def test_cells_are_escaped_and_aligned():
    found = html_table("a < b", ("x & y",), [("<script>",), (1234567,), (None,)])
    assert "<caption>a &lt; b</caption><tr><th>x &amp; y</th></tr>" in found
    assert '<td style="text-align:left">&lt;script&gt;</td>' in found
    assert '<td style="text-align:right">1,234,567</td>' in found
    assert '<td style="text-align:left"></td>' in found
