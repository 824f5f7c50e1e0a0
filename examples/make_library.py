"""Make examples/library again: python examples/make_library.py SHARED_DATA (needs the dev extra and Chromium).

The collection is that of an imaginary harbour town. Texts, letters, tables, slides, screenshots and scans were written
for it (CC0); photographs, figures and voices are real, with their sources in examples/SOURCES.md.
"""

import io
import shutil
import sys
import wave
import zipfile
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import soundfile
from PIL import Image, ImageFilter
from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
OUT = HERE / "library"
QUERY = HERE / "query"

TEXTS = {
    "notes/lighthouse.md": """# The last keeper

Marta Oyelaran wound the clockwork of the North Pier light every four hours for twenty-six years. When the harbour
office wired the lamp to a light sensor in 1988, the tower no longer needed anybody to live in it.

## What changed

The paraffin burner had been replaced by an electric bulb long before, but the fog signal still had to be started by
hand. The new horn listens for itself: a beam of infrared light is scattered back by droplets, and above a set level the
compressor starts.

## What she missed

Not the stairs, she said, and not the winter. She missed writing the weather into the log at midnight, and the ships
that answered with two short blasts.
""",
    "notes/sourdough.txt": """Keeping a sourdough starter alive

Flour and water left on a warm shelf begin to bubble after two or three days. Wild yeast living on the grain feeds on
the sugars and gives off carbon dioxide, which raises the dough; lactic acid bacteria make it sour and keep mould away.

Feed it every day with equal weights of flour and water and throw half of it away, or it will starve. In the fridge a
feed once a week is enough. A starter that smells of nail varnish is hungry, not dead. Grey liquid on top can be poured
off or stirred in.

Bake when a spoonful floats in water.
""",
    "notes/coffee.md": """# Coffee on the stove

Fill the lower chamber of the moka pot with hot water up to the valve. Heap the ground beans in the basket without
pressing them. Low flame, lid open. Take it off the heat as soon as it gurgles, and cool the base under the tap so that
it does not turn bitter.
""",
    "notes/black-tea.md": """# Tea for the night watch

Warm the pot. One spoon of black tea leaves for each cup and one for the pot. Pour on water at a rolling boil and leave
it for four minutes. Milk after, never before, whatever the harbour master says.
""",
    "notes/绿茶.txt": """怎样泡好一杯绿茶

绿茶不能用滚开的水。水烧开以后放凉到八十度左右再冲,嫩芽用七十五度就够了。水太烫,茶叶会发黄,味道又苦又涩。

每杯放三克茶叶,第一泡一分钟,第二泡一分半钟。玻璃杯最好,可以看见叶子慢慢沉下去。喝到剩三分之一时再加水,味道才均匀。
""",
    "notes/高铁.md": """# 坐高铁去上海

早上八点从北京南站出发,四个半小时以后到达上海虹桥。二等座的票价是五百多元,节假日要提前两个星期在网上买。

进站要刷身份证,行李过安检。发车前五分钟停止检票,所以最好提前半小时到车站。车厢里可以充电,也可以在手机上订午饭,送到座位上。
""",
    "notes/fahrrad.txt": """Einen Platten am Fahrrad flicken

Rad ausbauen, Mantel mit zwei Reifenhebern über die Felge ziehen, Schlauch herausnehmen. Aufpumpen und unter Wasser
halten: Wo Blasen aufsteigen, ist das Loch. Die Stelle trocknen, mit Schmirgelpapier aufrauen, Gummilösung dünn
auftragen und fünf Minuten warten, bis sie nicht mehr glänzt. Dann den Flicken fest aufdrücken.

Vor dem Einbau mit den Fingern innen am Mantel entlangfahren. Meistens steckt der Dorn oder der Glassplitter noch darin.
""",
    "notes/crêpes.txt": """Les crêpes de tante Aïcha

Pour une quinzaine de crêpes : 250 g de farine, quatre œufs, un demi-litre de lait, une pincée de sel, deux cuillerées
de beurre fondu. Mélanger la farine et les œufs, ajouter le lait peu à peu pour éviter les grumeaux. Laisser reposer une
heure. Une poêle très chaude, une petite louche de pâte, et on retourne dès que les bords se décollent.
""",
    "code/tide_alarm.py": '''"""Ring a bell when the tide is low enough to walk to the island."""

import csv
from datetime import datetime

SAFE_LEVEL_METRES = 0.8


def next_crossing(table: str, now: datetime) -> datetime | None:
    """Find the first moment after now at which the causeway is dry."""
    with open(table, newline="") as lines:
        for row in csv.DictReader(lines):
            moment = datetime.fromisoformat(row["time"])
            if moment > now and float(row["level_m"]) < SAFE_LEVEL_METRES:
                return moment
    return None
''',
    "tables/tides.csv": "time,level_m,place\n"
    + "".join(
        f"2024-06-{d:02}T{h:02}:10,{lv},Causeway\n"
        for d, h, lv in [(1, 3, 0.6), (1, 9, 4.1), (1, 15, 0.7), (2, 4, 0.5), (2, 10, 4.3), (2, 16, 0.9), (3, 5, 0.4)]
    ),
    "mail/invoice.eml": """From: Ines Brandt <ines@sailmakers.example>
To: Harbour Office <office@northpier.example>
Subject: Invoice HB-2024-0417, second reminder
Date: Mon, 06 May 2024 09:14:00 +0000
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Dear colleagues,

our invoice HB-2024-0417 of 2 April for mending the rescue boat's sail has not been paid yet. The amount is 386.50.
If the money is on its way, please take this letter as written by a machine.

Kind regards
Ines Brandt
""",
    "mail/invoice-crane.eml": """From: Pavel Horak <pavel@cranes.example>
To: Harbour Office <office@northpier.example>
Subject: Invoice HB-2024-0471
Date: Tue, 14 May 2024 16:40:00 +0000
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Hello,

attached is invoice HB-2024-0471 for the yearly inspection of the crane on the fish quay. It is due within thirty days.

Pavel Horak
""",
}

TIDE_POOLS = """<h1>Life between the tides</h1>
<p>A guide for visitors to the rocks below North Pier. Please put every stone back the way it lay.</p>
<p>Twice a day the sea covers this shore and twice a day it leaves. Everything that lives here has to stand both.
Wear shoes that grip and turn back when the causeway bell rings.</p>
<h2 style="page-break-before:always">Staying wet</h2>
<p>When the tide goes out, limpets pull their shells down so tightly onto the rock that not a drop escapes, and barnacles
shut their four little doors. Beadlet anemones fold their tentacles in and look like lumps of red jelly. All of them can
wait for six hours without drying out. Shore crabs do not wait: they walk to the next crack that is still damp.</p>
<h2 style="page-break-before:always">Who eats whom</h2>
<p>Dog whelks drill through the shells of mussels and barnacles, which takes them two days. Starfish pull mussels open
by patience. Gulls drop both of them on the harbour road from a great height.</p>"""

SLIDES = [
    ("The new breakwater", "Why the old one fails\nWhat it costs\nWhen we start"),
    ("Waves take the stones away", "In the storm of February 2022 waves of six metres moved blocks of eleven tonnes.\n"
     "The fishing boats behind the wall were damaged for the third time in ten years."),
    ("Eelgrass first", "Young fish shelter in the meadow of eelgrass.\nWe replant two hectares before the first stone is laid."),
]  # fmt: skip

MINUTES = [
    "Minutes of the harbour council, 12 March 2024",
    "Present: Oyelaran, Brandt, Nakamura, Haddad. Apologies: Pereira.",
    "1. Roof of the boat shed. The slates on the west side have come loose. The council decided to ask three roofers for "
    "an offer and to pay from the reserve.",
    "2. Seals. Visitors have been feeding them from the steps. A sign in four languages will ask people not to.",
    "3. Ferry. From May the last boat leaves the island at ten in the evening instead of eight.",
]

SCREENSHOTS = {
    "screenshots/guest-wifi.png": (
        "<div style='background:#0b3d5c;color:white;padding:40px;border-radius:16px;width:520px'>"
        "<h1>Welcome aboard</h1><p style='font-size:26px'>Guest Wi-Fi: <b>NorthPier-Guest</b></p>"
        "<p style='font-size:26px'>Password: <b>herring-and-chips</b></p><p>Ask at the counter if it does not connect.</p></div>"
    ),
    "screenshots/error.png": (
        "<div style='border:1px solid #888;width:560px;font-family:sans-serif;box-shadow:0 4px 16px #999'>"
        "<div style='background:#ddd;padding:8px 14px'>Chart plotter</div><div style='padding:24px;font-size:22px'>"
        "Cannot save the route: the disk is full.<br><br>Delete old tracks or insert another memory card.<br><br>"
        "<small>Error code CP-2207</small></div></div>"
    ),
    "screenshots/船票.png": (
        "<div style='border:3px solid #205;width:520px;padding:28px;font-size:28px;font-family:\"Noto Sans CJK SC\"'>"
        "<b>渡轮船票</b><br>出发:北码头&nbsp; 到达:海岛<br>日期:五月十八日 上午九点半<br>票价:成人四十元,儿童免费</div>"
    ),
}

CLIPPING = """<div style='width:640px;padding:30px;font:24px/1.4 Georgia;background:#f4efe2'>
<h2>Tower empty after 120 years</h2><p>Since an electric eye now switches the lamp on at dusk, nobody has to live in the
lighthouse on the pier any more. The keeper has moved out.</p></div>"""

PICTURES = {
    "img/college-physics-bundle-00404.jpg": "photos/bowling.jpg",
    "img/contemporary-mathematics-00094.jpg": "photos/cat-and-furniture.jpg",
    "img/world-history-00031.jpg": "photos/IMG_2031.jpg",
    "img/cooking-bread.webp": "photos/IMG_2044.webp",
    "img/grocery-train-01782.jpg": "photos/IMG_2050.jpg",
    "img/grocery-train-00434.jpg": "photos/IMG_2051.jpg",
    "img/college-success-bundle-00194.png": "figures/survey.png",
    "img/college-physics-bundle-00447.jpg": "figures/capillary.jpg",
    "img/principles-economics-bundle-00063.jpg": "figures/salmon-market.jpg",
}
APART = {  # the starter never saw or heard these: a table of the shared data, the row's id → its file
    ("openstax_figures", "introduction-sociology-00143"): "photos/IMG_2063.jpg",
    ("environment_sounds", "3-163288-A"): "recordings/REC_0007.ogg",
}
VOICES = {
    "jfk.flac": "recordings/address-1961.flac",
    "LJ050-0131.wav": "recordings/tape-131.wav",
    "spk1_snt2.wav": "recordings/memo-2.wav",
    "spk1_snt4.wav": "recordings/memo-4.wav",
    "spk1_snt6.wav": "recordings/memo-6.wav",
}


def write(name: str, data: bytes) -> None:
    """Write one file of the library."""
    path = OUT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def office() -> None:
    """Write the minutes, the slides and the budget."""
    import docx
    import openpyxl
    import pptx

    minutes = docx.Document()
    minutes.add_heading(MINUTES[0], 1)
    for line in MINUTES[1:]:
        minutes.add_paragraph(line)
    buffer = io.BytesIO()
    minutes.save(buffer)
    write("office/minutes.docx", buffer.getvalue())

    talk = pptx.Presentation()
    for title, body in SLIDES:
        slide = talk.slides.add_slide(talk.slide_layouts[1])
        slide.shapes.title.text, slide.placeholders[1].text = title, body
    buffer = io.BytesIO()
    talk.save(buffer)
    write("office/breakwater.pptx", buffer.getvalue())

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "2024"
    for row in [
        ("Item", "Planned", "Spent"), ("Paint for the pilot boat", 1200, 1140), ("Diesel", 8400, 9020),
        ("New roof for the boat shed", 15500, 0), ("Life jackets for children", 640, 655), ("Lamp oil", 0, 0),
    ]:  # fmt: skip
        sheet.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    write("office/budget.xlsx", buffer.getvalue())
    with zipfile.ZipFile(OUT / "office/budget.xlsx") as made:
        assert made.testzip() is None


def scan(pdf: bytes) -> bytes:
    """Print a PDF and scan it again: a grey picture a page, a little askew, no text layer."""
    import pypdfium2

    pages = []
    for page in pypdfium2.PdfDocument(pdf):
        picture = (
            page.render(scale=1.6).to_pil().convert("L").rotate(0.6, fillcolor=255, resample=Image.Resampling.BICUBIC)
        )
        grey = np.asarray(picture.filter(ImageFilter.GaussianBlur(0.6)), np.float32)
        grey += np.random.default_rng(7).normal(0, 6, grey.shape)
        pages.append(Image.fromarray(grey.clip(0, 255).astype(np.uint8)))
    buffer = io.BytesIO()
    pages[0].save(buffer, "PDF", save_all=True, append_images=pages[1:], quality=60)
    return buffer.getvalue()


def film(shared: Path) -> None:
    """Three scenes of real pictures, five seconds each, with a real voice speaking in each."""
    scenes = [
        ("img/introduction-anthropology-00213.jpg", "spk1_snt3.wav"),
        ("img/introduction-sociology-00051.jpg", "spk1_snt1.wav"),
        ("img/cooking-croque-monsieur.webp", "spk1_snt5.wav"),
    ]
    path = OUT / "films/walk.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        video = out.add_stream("h264", rate=10)
        video.width, video.height, video.pix_fmt, video.options = 640, 360, "yuv420p", {"crf": "30"}
        audio = out.add_stream("aac", rate=16000)
        for picture, _ in scenes:
            still = Image.open(shared / "originals" / picture).convert("RGB").resize((640, 360))
            for _ in range(50):
                out.mux(video.encode(av.VideoFrame.from_image(still)))
        out.mux(video.encode())
        sound = np.zeros(15 * 16000, np.float32)
        for i, (_, voice) in enumerate(scenes):
            words, rate = soundfile.read(shared / "speech_clips" / voice, dtype="float32")
            assert rate == 16000
            start = i * 80000 + 16000
            sound[start : start + len(words)] = words
        for i in range(0, len(sound), 1024):
            frame = av.AudioFrame.from_ndarray(
                (sound[i : i + 1024][None] * 32767).astype(np.int16), format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts = 16000, i
            out.mux(audio.encode(frame))
        out.mux(audio.encode())


def main(shared: Path) -> None:
    """Make everything."""
    for folder in (OUT, QUERY):
        for child in folder.iterdir() if folder.exists() else ():
            if child.is_dir():
                shutil.rmtree(child)
    for name, text in TEXTS.items():
        write(name, text.encode())
    office()
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"]
        )
        page = browser.new_page(viewport={"width": 700, "height": 420})
        page.set_content(
            f"<title>Life between the tides</title><body style='font:15px/1.5 Georgia'>{TIDE_POOLS}</body>"
        )
        write("documents/tide-pools.pdf", page.pdf(format="A5"))
        page.set_content(
            "<body style='font:20px/1.6 Georgia'><h2>Lease of the ice house</h2><p>Between the harbour office of North Pier "
            "and the fishermen's cooperative.</p><p>The tenant may store fish and ice in the building from the first of "
            "June. The rent is ninety pounds a month, to be paid on the first working day. The landlord mends the roof, the "
            "tenant the doors. Either side may end this lease with three months' notice.</p><p>Signed at North Pier on the "
            "ninth of May 1961</p></body>"
        )
        write("documents/scan-0007.pdf", scan(page.pdf(format="A5")))
        for name, html in SCREENSHOTS.items():
            page.set_content(f"<body style='margin:24px'>{html}</body>")
            write(name, page.locator("div").first.screenshot())
        page.set_content(f"<body style='margin:0'>{CLIPPING}</body>")
        QUERY.mkdir(exist_ok=True)
        (QUERY / "clipping.png").write_bytes(page.locator("div").first.screenshot())
        browser.close()
    for source, name in PICTURES.items():
        write(name, (shared / "originals" / source).read_bytes())
    for (table, row), name in APART.items():
        rows = pq.read_table(shared / table / "manifest.parquet", filters=[("id", "=", row)])
        write(name, rows["bytes"][0].as_py())
    for source, name in VOICES.items():
        write(name, (shared / "speech_clips" / source).read_bytes())
    film(shared)
    with wave.open(str(OUT / "recordings/silence.wav"), "wb") as silence:
        silence.setparams((1, 2, 8000, 0, "NONE", ""))
        silence.writeframes(b"\0\0" * 8000 * 3)
    write("documents/broken.pdf", (OUT / "documents/tide-pools.pdf").read_bytes()[:300])
    size = sum(f.stat().st_size for f in OUT.rglob("*") if f.is_file())
    print(f"{size / 1e6:.1f} MB in {OUT}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
