"""How others spell the contract's columns and event types, the likeliest spelling first. Data only: add yours here.

Spellings are compared without case, blanks and signs: `Customer_ID` is `customerid`.
"""

from recs_platform.contracts import columns as c

_USER = """
    userid user uid userguid visitorid visitor fullvisitorid customerid customer customerno customernumber clientid
    client memberid member accountid account personid shopperid buyerid subscriberid readerid listenerid viewerid
    studentid student learnerid learner pupilid pupil reader viewer listener subscriber player reviewer enrolleeid
    playerid profileid reviewerid userpseudoid distinctid anonymousid cookieid deviceid
    sessionuser kundennr kundennummer kundenid kunde nutzerid nutzer benutzerid benutzer besucherid besucher
    mitgliedsnummer mitgliedid mitglied leserid leser teilnehmerid teilnehmer lernender idutilisateur utilisateur
    idclient usuario idusuario cliente utente klantnr klantid klant gebruikerid gebruiker userkey usr
"""
_ITEM = """
    itemid item iid productid product productsku sku asin articleid article contentid content contentitemid movieid
    movie videoid video trackid track songid song bookid book isbn courseid course lessonid lesson newsid news postid
    pageid assetid listingid offerid variantid goodsid documentid docid storyid recipeid gameid showid episodeid
    propertyid parentasin ean gtin upc productcode stockcode itemcode artikelnr artikelnummer artikelid artikel
    produktid produktnr produktnummer produkt kursid kursnr kursnummer kurs beitragid beitrag buchid buch filmid film
    inhaltid idproduit produit idproducto producto prodotto artikelcode productnr productkey itemkey pageurl url
"""
_OCCURRED = """
    occurredat timestamp ts tsms eventtime eventtimestamp eventts timems time datetime eventdatetime eventdate
    createdat created createdon loggedat servertime clienttime receivedat viewedat clickedat purchasedat orderedat
    orderdate orderdatetime purchasedate purchasetime transactiondate transactiontime invoicedate ratedat reviewtime
    unixreviewtime visittime visitdate date day unixtime unixtimestamp epoch epochms timestampms timestampmillis at
    when zeitpunkt zeitstempel datum zeit bestelldatum bestellzeit bestelltam kaufdatum aufrufzeit gesehenam gekauftam
    bewertetam datumuhrzeit horodatage dateheure fecha fechahora tijdstip
"""
_TITLE = """
    title itemtitle producttitle articletitle coursetitle movietitle headline name itemname productname articlename
    coursename contentname titel artikeltitel kurstitel bezeichnung artikelbezeichnung produktbezeichnung produktname
    artikelname kursname ueberschrift überschrift schlagzeile titre titulo
"""
_CATEGORY = """
    category categoryname itemcategory productcategory categoryid categorycode maincategory topic section genre
    department producttype producttypename subject channel vertical kategorie warengruppe rubrik ressort thema
    fachbereich produktkategorie sachgebiet categorie categoria
"""
_COUNTRY = "country countrycode countryname usercountry geocountry land landcode herkunftsland pays pais paese"

COLUMNS: dict[str, dict[str, str]] = {
    "events": {
        c.USER_ID: _USER,
        c.ITEM_ID: _ITEM,
        c.EVENT_TYPE: """
        eventtype event action verb eventname eventaction interactiontype interaction behaviortype behavior
        behaviourtype behaviour activitytype activity type kind aktion ereignistyp ereignis ereignisname vorgang typ
        evenement accion evento
    """,
        c.OCCURRED_AT: _OCCURRED,
        c.EVENT_ID: "eventid eventuuid eventguid messageid interactionid logid uuid id ereignisid",
        c.SESSION_ID: "sessionid session usersession gasessionid visitid sitzung sitzungsid sitzungid besuchsid",
        c.VALUE: """
        value rating stars score overall ratingvalue userrating eventvalue revenue amount totalamount total totalprice
        linetotal grandtotal salesvalue bewertung sterne note betrag umsatz gesamtpreis summe wert montant importe
    """,
        c.DWELL_SECONDS: """
        dwellseconds dwelltime dwell dwellms dwelltimems durationseconds duration durationms timespent
        timespentseconds readtime readtimeseconds readingtime timeonpage watchtime watchtimeseconds listentime
        msplayed secondsplayed verweildauer verweildauersekunden lesedauer lesezeit sehdauer dauer dauersekunden
    """,
        c.SCROLL_FRACTION: """
        scrollfraction scrollpercentage scrollpercent scrolldepth percentscrolled scrollpct scroll scrolltiefe
        scrolltiefeprozent gescrollt
    """,
        c.POSITION: "position rank slot listposition index itemposition rang platz",
        c.REQUEST_ID: "requestid reqid impressionid recommendationid listid queryid",
        c.PROPENSITY: "propensity propensityscore actionprob probability",
        c.DEVICE: """
            device devicetype devicecategory platform channeldevice geraet gerät geraetetyp endgeraet endgerät
        """,
        c.OS: "os operatingsystem osname betriebssystem",
        c.COUNTRY: _COUNTRY,
        c.REGION: "region state usstate province georegion bundesland kanton",
        c.REFERRER: "referrer referer ref trafficsource utmsource pagereferrer herkunft verweis",
    },
    "items": {
        c.ITEM_ID: f"{_ITEM} id code nummer nr",
        c.TITLE: _TITLE,
        c.BODY: """
        body text description itemdescription productdescription content abstract summary subtitle lead teaser
        shortdescription beschreibung artikelbeschreibung kurzbeschreibung inhalt zusammenfassung
    """,
        c.CATEGORY: _CATEGORY,
        c.TAGS: "tags labels keywords genres topics subjects schlagworte schlagwörter stichworte themen",
        c.CREATOR: """
        creator author authors authorname brand brandname manufacturer maker artist artistname seller sellername
        vendor publisher instructor teacher director studio autor autorin autoren marke hersteller verlag dozent
        dozentin kursleitung redakteur
    """,
        c.LANGUAGE: "language lang languagecode locale sprache langue idioma",
        c.PRICE: """
        price unitprice itemprice productprice listprice currentprice priceeur priceusd pricecents preis stueckpreis
        stückpreis einzelpreis verkaufspreis preiseur kursgebuehr kursgebühr prix precio prezzo
    """,
        c.PUBLISHED_AT: """
        publishedat published publishedon publishdate publicationdate publisheddate pubdate publishedtime releasedate
        releasedat launchdate createdat created dateadded veroeffentlicht veröffentlicht veroeffentlichtam
        veröffentlichtam erschienen erschienenam erscheinungsdatum eingestelltam
    """,
        c.AVAILABLE_FROM: """
            availablefrom startdate startsat validfrom onlinefrom verfuegbarab verfügbarab gueltigab kursbeginn
        """,
        c.AVAILABLE_UNTIL: """
            availableuntil enddate endsat validuntil validto onlineuntil expiresat verfuegbarbis gueltigbis
        """,
    },
    "users": {
        c.USER_ID: f"{_USER} id",
        c.SIGNED_UP_AT: """
        signedupat signupat signup signupdate registeredat registered registrationdate registrationtime createdat
        created joined joinedat joindate membersince customersince angemeldetam registriert registriertam
        registrierungsdatum kundeseit beitrittsdatum anmeldedatum
    """,
        c.COUNTRY: _COUNTRY,
        c.AGE_BAND: "ageband age agegroup agerange userage alter altersgruppe",
        c.GENDER: "gender sex usergender geschlecht anrede",
        c.SUBSCRIPTION: """
            subscription subscriptiontype plan tier membership membershiptype usertype abo abonnement tarif
        """,
        c.CONSENT_PERSONALIZATION: """
        consentpersonalization personalizationconsent personalization consent optin marketingconsent adconsent
        einwilligung personalisierung werbeeinwilligung zustimmung
    """,
    },
    "item_tags": {
        c.ITEM_ID: f"{_ITEM} id",
        c.TAG: "tag label keyword tagname schlagwort stichwort etikett",
        c.TAGGED_AT: f"taggedat {_OCCURRED}",
    },
    "identities": {
        c.ANONYMOUS_ID: """
            anonymousid anonid anonymous cookieid cookie deviceid visitorid clientid userpseudoid browserid
        """,
        c.USER_ID: _USER,
        c.VALID_FROM: f"validfrom loginat loggedinat linkedat logintime anmeldezeit {_OCCURRED}",
    },
    "consents": {
        c.USER_ID: _USER,
        c.PURPOSE: "purpose consentpurpose consenttype category zweck verwendungszweck",
        c.GRANTED: """
        granted consent consentgiven isgranted optin accepted status value decision state einwilligung zustimmung
        erteilt eingewilligt
    """,
        c.OCCURRED_AT: _OCCURRED,
    },
}
# Words that say whose property a column is, and nothing of what it is: `product_title` is `title`.
OWNERS: dict[str, tuple[str, ...]] = {
    "events": ("event", "meta"),
    "items": ("item", "product", "article", "content", "artikel", "produkt", "kurs", "course", "movie", "book"),
    "users": ("user", "customer", "member", "kunden", "nutzer"),
}
# Objects that hold an event's properties, whatever they are about.
ENVELOPES = ("properties", "payload", "data", "attributes", "event", "record", "fields", "context", "params", "source")
# Within an object these are the object's own, and say nothing by themselves: `device.type`, `author.name`.
GENERIC = """
    id uid uuid type name value time date day text code url title index position rank kind status state key label
    category description content total amount price score country region tags level
"""
USER_FILES = (
    "user", "customer", "member", "visitor", "profile", "subscriber", "student", "learner", "account", "reader",
    "client",
    "kund", "nutzer", "leser", "mitglied", "teilnehm",
)  # fmt: skip
CONSENT_FILES = ("consent", "optin", "opt_in", "einwillig", "zustimm", "gdpr", "dsgvo")
CLOCKS = "time clock uhrzeit zeit timeofday heure hora"

EVENT_NAMES: dict[str, str] = {
    "impression": """
        impression impressions shown show displayed exposure exposed served seen inview viewitemlist productlistviewed
        listview itemimpression productimpression recommendationshown angezeigt eingeblendet einblendung
    """,
    "view": """
        view views viewed pageview pageviews pageviewed screenview screen viewitem viewproduct productview
        productviewed itemview itemviewed detail details detailview viewdetail viewdetails viewcontent contentview
        articleview visit visited read open opened browse browsing pv ansicht angesehen aufruf aufgerufen seitenaufruf
        besuch besucht gelesen produktansicht artikelansicht kursansicht vue visto
    """,
    "click": """
        click clicks clicked clickthrough tap tapped select selected selectitem selectcontent productclicked
        productclick itemclick adclick clickitem clickout klick geklickt angeklickt klicken clic
    """,
    "scroll": "scroll scrolled scrolldepth gescrollt",
    "play": """
        play played start started startplay playstart videostart videoplay videoplaybackstarted videocontentstarted
        stream streamed listen listened watch watched lessonstarted lessonstart abgespielt wiedergabe gestartet
        angehoert
    """,
    "like": """
        like liked love loved upvote thumbsup favorite favourite favorited fav fave heart gefaellt gefällt gefälltmir
    """,
    "share": "share shared productshared forward forwarded retweet repost geteilt teilen weitergeleitet",
    "comment": "comment commented commentcreated reply replied kommentar kommentiert",
    "bookmark": """
        bookmark bookmarked save saved wishlist addtowishlist wishlistadd addwishlist productaddedtowishlist watchlist
        addtolist readlater addtofavorites merkzettel gemerkt merken merkliste wunschliste wunschzettel
    """,
    "follow": "follow followed following folgen gefolgt",
    "download": "download downloaded filedownload install installed heruntergeladen herunterladen",
    "rating": "rating rate rated review reviewed productreviewed score scored bewertung bewertet rezension",
    "cart_add": """
        cartadd addtocart addedtocart addcart cart carted basket addtobasket addtobag addtoshoppingcart productadded
        itemadded warenkorb inwarenkorb indenwarenkorb zumwarenkorbhinzugefuegt zumwarenkorb inwarenkorbgelegt
        ajoutpanier
    """,
    "purchase": """
        purchase purchased purchases buy bought buys order ordered orders ordercompleted orderplaced ordercomplete
        checkout checkoutcomplete transaction transactioncompleted sale sold payment paid conversion booking booked
        kauf gekauft kaufen bestellung bestellt buchung gebucht achat acheter compra comprado koop
    """,
    "subscribe": """
        subscribe subscribed subscription enroll enrolled enrol enrolled enrolment enrollment register registered
        signup trialstarted coursestarted courseenrolled abonniert abo abonnieren eingeschrieben einschreibung
        angemeldet
    """,
    "dismiss": """
        dismiss dismissed hide hidden dislike disliked downvote thumbsdown notinterested skip skipped ignore
        ausgeblendet verworfen uebersprungen übersprungen nichtinteressiert
    """,
}
# What an event was about, before or after what happened: `Product Viewed`, `viewed_course`.
THINGS = (
    "product", "item", "article", "content", "video", "course", "lesson", "page", "event", "user", "produkt",
    "artikel",
    "kurs", "story", "post", "book", "song", "track", "movie", "news",
)  # fmt: skip
# What a file without a column of event types is a list of, told by a word of its name or of its columns.
FILE_WORDS: dict[str, str] = {
    "purchase": """
        purchase order transaction sale invoice basket checkout receipt bestell kauf kaeufe käufe umsatz rechnung
        buchung retail
    """,
    "rating": "rating review bewertung rezension stars",
    "click": "click klick",
    "cart_add": "cart warenkorb",
    "impression": "impression einblendung",
    "bookmark": "bookmark wishlist favorite favourite merk wunsch",
    "like": "like",
    "subscribe": "enrol subscri einschreib anmeldung belegung",
    "play": "play listen watch stream lesson lektion",
    "download": "download",
    "view": "view visit read aufruf besuch gelesen seiten pageview session",
}
COLUMN_WORDS: dict[str, str] = {
    "purchase": """
        quantity qty menge anzahl invoiceno invoice orderid ordernumber bestellnr bestellnummer transactionid
    """,
    "rating": "rating stars overall bewertung sterne userrating",
}
