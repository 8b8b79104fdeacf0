/**
 * A label of every Gmail mailbox, or a state that only exports contain: `OPENED` and `ARCHIVED` are not
 * labels in Gmail.
 */
type Named =
  | 'INBOX'
  | 'SENT'
  | 'DRAFT'
  | 'SPAM'
  | 'TRASH'
  | 'UNREAD'
  | 'STARRED'
  | 'IMPORTANT'
  | 'CHAT'
  | 'OPENED'
  | 'ARCHIVED'

/** One language's names of these labels, in the order of `NAMED`; `|` separates spellings of one label. */
type Row = readonly string[]

/** The labels of a table row, in order. */
export const NAMED: readonly Named[] = [
  'INBOX',
  'SENT',
  'DRAFT',
  'SPAM',
  'TRASH',
  'UNREAD',
  'STARRED',
  'IMPORTANT',
  'CHAT',
  'OPENED',
  'ARCHIVED',
]

const row = (text: string): Row => text.split(';')

/**
 * The names of Gmail's system labels by language, as in a Google Takeout export. The names for en, de, fr, cs
 * and ko come from exports. Folder names in most other languages come from Gmail over IMAP. Elsewhere,
 * `OPENED` and `ARCHIVED` are translations with likely variants. A language without certain names for spam,
 * trash and drafts is omitted, so that its exports require them.
 */
export const LABEL_NAMES: Readonly<Record<string, Row>> = {
  English: row('Inbox;Sent|Sent Mail;Drafts|Draft;Spam;Trash|Bin;Unread;Starred;Important;Chat|Chats;Opened;Archived'),
  German: row(
    'Posteingang;Gesendet;Entwürfe|Entwurf;Spam;Papierkorb;Ungelesen;Markiert;Wichtig;Chat|Chats;Geöffnet;Archiviert',
  ),
  French: row(
    'Boîte de réception;Envoyé|Envoyés|Messages envoyés;Brouillons|Brouillon;Spam|Pourriel|Courrier indésirable;Corbeille;Non lu|Non lus|Messages non lus;Suivi|Suivis|Messages suivis|Favoris;Important|Importants;Chat|Chats|Clavardage;Ouvert|Ouverts;Archivé|Archivés|Messages archivés',
  ),
  Spanish: row(
    'Recibidos|Bandeja de entrada;Enviado|Enviados;Borradores|Borrador;Spam|Correo no deseado;Papelera;No leído|No leídos|Sin leer;Destacado|Destacados|Con estrella;Importante|Importantes;Chat|Chats;Abierto|Abiertos;Archivado|Archivados',
  ),
  Italian: row(
    'Posta in arrivo;Inviato|Inviati|Posta inviata|Inviata;Bozze|Bozza;Spam|Posta indesiderata;Cestino;Da leggere|Non letto|Non letti|Non lette;Speciale|Speciali|Con stelle;Importante|Importanti;Chat;Aperto|Aperti|Aperta|Aperte;Archiviato|Archiviati|Archiviata|Archiviate',
  ),
  'Portuguese (Brazil)': row(
    'Caixa de entrada;Enviado|Enviados|Enviada|Enviadas|E-mails enviados;Rascunhos|Rascunho;Spam|Lixo eletrônico;Lixeira;Não lido|Não lidos|Não lida|Não lidas;Com estrela;Importante|Importantes;Chat|Chats|Bate-papo|Bate-papos;Aberto|Abertos|Aberta|Abertas;Arquivado|Arquivados|Arquivada|Arquivadas',
  ),
  'Portuguese (Portugal)': row(
    'Caixa de entrada|A receber|Recebido|Recebidos;Enviado|Enviados|Enviada|Enviadas|Correio enviado;Rascunhos|Rascunho;Spam|Correio não solicitado;Lixo|Reciclagem;Não lido|Não lidos|Não lida|Não lidas;Com estrela;Importante|Importantes;Chat|Chats;Aberto|Abertos|Aberta|Abertas;Arquivado|Arquivados|Arquivada|Arquivadas',
  ),
  Dutch: row(
    'Postvak IN|Inbox;Verzonden|Verzonden berichten;Concepten|Concept;Spam;Prullenbak;Ongelezen;Met ster;Belangrijk;Chat|Chats;Geopend;Gearchiveerd',
  ),
  Danish: row(
    'Indbakke;Sendt|Sendte|Sendte mails|Sendt mail;Kladder|Kladde;Spam;Papirkurv;Ulæst|Ulæste;Stjernemarkeret|Stjernemarkerede;Vigtig|Vigtigt|Vigtige;Chat|Chats;Åbnet|Åbnede;Arkiveret|Arkiverede',
  ),
  Norwegian: row(
    'Innboks;Sendt|Sendt e-post;Utkast;Spam|Søppelpost;Papirkurv|Søppel;Ulest|Uleste;Stjernemerket|Stjernemerkede;Viktig|Viktige;Chat|Nettprat;Åpnet|Åpnede;Arkivert|Arkiverte',
  ),
  Swedish: row(
    'Inkorg|Inkorgen;Skickat|Skickade|Skickade mail;Utkast;Skräppost|Spam;Papperskorg|Papperskorgen;Oläst|Olästa;Stjärnmärkt|Stjärnmärkta;Viktig|Viktigt|Viktiga;Chatt|Chattar;Öppnad|Öppnat|Öppnade;Arkiverad|Arkiverat|Arkiverade',
  ),
  Finnish: row(
    'Postilaatikko|Saapuneet;Lähetetty|Lähetetyt|Lähetetyt viestit;Luonnokset|Luonnos;Roskaposti;Roskakori;Lukematon|Lukematta|Lukemattomat;Tähdellä merkitty|Tähdellä merkityt;Tärkeä|Tärkeät|Tärkeää;Chat|Keskustelut;Avattu|Avatut;Arkistoitu|Arkistoidut',
  ),
  Estonian: row(
    'Postkast;Saadetud|Saadetud kirjad;Mustandid|Mustand;Rämpspost|Spämm;Prügikast|Prügi;Lugemata;Tärniga|Tärniga tähistatud;Oluline|Tähtis|Olulised;Vestlus|Vestlused;Avatud;Arhiivitud|Arhiveeritud',
  ),
  Latvian: row(
    'Iesūtne;Nosūtīts|Nosūtītie|Nosūtītās;Melnraksti|Melnraksts|Uzmetumi;Mēstules|Surogātpasts;Miskaste|Atkritne;Nelasīts|Nelasīti|Nelasītās|Neizlasīts;Ar zvaigznīti;Svarīgi|Svarīgs;Tērzēšana;Atvērts|Atvērti;Arhivēts|Arhivēti',
  ),
  Lithuanian: row(
    'Gautieji|Gauti laiškai;Išsiųsta|Išsiųsti|Išsiųsti laiškai;Juodraščiai|Juodraštis;Šlamštas|El. pašto šiukšlės;Šiukšliadėžė|Šiukšlinė;Neskaityta|Neskaityti;Pažymėta žvaigždute|Pažymėti žvaigždute|Su žvaigždute;Svarbu|Svarbūs;Pokalbiai;Atidaryta|Atidaryti;Archyvuota|Suarchyvuota|Archyvuoti',
  ),
  Hungarian: row(
    'Beérkező levelek|Beérkezett üzenetek;Elküldött|Elküldött levelek|Elküldve;Piszkozatok|Piszkozat;Spam|Levélszemét;Kuka|Lomtár;Olvasatlan;Csillagozott|Csillagos;Fontos;Csevegés|Csevegések;Megnyitva|Megnyitott;Archiválva|Archivált',
  ),
  Polish: row(
    'Odebrane|Skrzynka odbiorcza;Wysłane;Wersje robocze|Wersja robocza|Robocze;Spam;Kosz;Nieprzeczytane;Oznaczone gwiazdką;Ważne;Czat|Czaty;Otwarte;Zarchiwizowane',
  ),
  Czech: row(
    'Doručená pošta|Přijatá pošta|Doručené;Odesláno|Odeslané|Odeslaná pošta;Koncepty|Koncept;Spam;Koš;Nepřečtené|Nepřečteno;S hvězdičkou|Označeno hvězdičkou;Důležité;Chat|Chaty;Otevřeno|Otevřené;Archivováno|Archivované',
  ),
  Slovak: row(
    'Doručená pošta|Prijatá pošta|Doručené;Odoslané|Odoslaná pošta;Koncepty|Koncept|Rozpísané;Spam;Kôš;Neprečítané;S hviezdičkou|Označené hviezdičkou;Dôležité;Čet|Chat|Rozhovory;Otvorené;Archivované',
  ),
  Slovenian: row(
    'Prejeto;Poslano|Poslana pošta;Osnutki|Osnutek;Vsiljena pošta|Neželena pošta;Smetnjak|Koš;Neprebrano;Z zvezdico|Označeno z zvezdico;Pomembno;Klepet|Klepeti;Odprto;Arhivirano',
  ),
  Croatian: row(
    'Pristigla pošta|Primljeno|Ulazna pošta;Poslano|Poslana pošta;Skice|Skica;Neželjena pošta|Neželjeno|Spam;Otpad|Smeće;Nepročitano;Sa zvjezdicom|Označeno zvjezdicom;Važno;Chat|Chatovi;Otvoreno;Arhivirano',
  ),
  Serbian: row(
    'Пријемно сандуче|Примљено|Примљене;Послато|Послате;Недовршене|Недовршено|Радне верзије|Нацрти;Непожељно|Непожељна пошта|Спам;Отпад;Непрочитано|Непрочитане;Са звездицом|Означено звездицом;Важно;Ћаскања;Отворено;Архивирано',
  ),
  Bulgarian: row(
    'Входящи|Входяща поща;Изпратени;Чернови|Чернова;Спам;Кошче;Непрочетени|Непрочетено;Със звезда;Важно|Важни;Чат|Чатове;Отворени|Отворено;Архивирани|Архивирано',
  ),
  Russian: row(
    'Входящие;Отправленные;Черновики|Черновик;Спам;Корзина;Непрочитанные|Непрочитано;Помеченные|Со звездочкой|Со звёздочкой;Важное|Важные;Чат|Чаты;Открытые|Открыто|Открытое|Открыт;Архивированные|Архивировано|В архиве|Заархивированные|Архив',
  ),
  Ukrainian: row(
    'Вхідні;Надіслані|Надіслано;Чернетки|Чернетка;Спам;Кошик;Непрочитані|Непрочитане;Із зірочкою;Важливо|Важливе|Важливі;Чат|Чати;Відкриті|Відкрито;Архівовані|Заархівовані|Заархівовано|Архівовано',
  ),
  Romanian: row(
    'Mesaje primite|Inbox;Trimise|Mesaje trimise;Ciorne|Mesaje nefinalizate|Schițe;Spam;Coș de gunoi|Coșul de gunoi|Coș;Necitite|Necitit;Cu stea;Important|Importante;Chat|Chaturi;Deschise|Deschis;Arhivate|Arhivat',
  ),
  Greek: row(
    'Εισερχόμενα;Απεσταλμένα;Πρόχειρα|Πρόχειρο;Ανεπιθύμητα|Ανεπιθύμητη αλληλογραφία;Κάδος απορριμμάτων|Κάδος;Μη αναγνωσμένα|Μη αναγνωσμένο;Με αστέρι;Σημαντικά|Σημαντικό;Συνομιλίες;Ανοιγμένα|Ανοιχτά;Αρχειοθετημένα',
  ),
  Turkish: row(
    'Gelen Kutusu;Gönderilmiş Postalar|Gönderilenler|Gönderildi|Gönderilmiş;Taslaklar|Taslak;Spam;Çöp Kutusu|Çöp;Okunmamış|Okunmadı;Yıldızlı;Önemli;Sohbet|Sohbetler;Açıldı|Açılmış;Arşivlendi|Arşivlenmiş',
  ),
  Vietnamese: row(
    'Hộp thư đến;Thư đã gửi|Đã gửi;Thư nháp|Bản nháp;Thư rác|Spam;Thùng rác;Chưa đọc;Có gắn dấu sao|Gắn dấu sao|Được gắn dấu sao;Quan trọng;Trò chuyện;Đã mở;Đã lưu trữ',
  ),
  Indonesian: row(
    'Kotak Masuk|Inbox;Terkirim|Pesan Terkirim|Surat Terkirim;Draf|Draft|Konsep;Spam;Sampah|Tong Sampah;Belum dibaca;Berbintang;Penting;Chat|Obrolan;Dibuka;Diarsipkan',
  ),
  Malay: row(
    'Peti masuk;Dihantar|Mel Dihantar|Mel yang dihantar;Draf;Spam;Sampah|Tong Sampah;Belum dibaca;Berbintang;Penting;Sembang;Dibuka;Diarkibkan',
  ),
  Catalan: row(
    "Safata d'entrada|Rebuts;Enviat|Enviats|Correu enviat;Esborranys|Esborrany;Correu brossa|Brossa;Paperera;No llegit|No llegits;Destacat|Destacats|Amb estrella;Important|Importants;Xat|Xats;Obert|Oberts;Arxivat|Arxivats",
  ),
  Filipino: row(
    'Inbox;Naipadala|Ipinadala;Mga Draft|Draft;Spam;Basurahan|Trash;Hindi pa nababasa|Hindi nabasa;Naka-star|May Star;Mahalaga;Mga Chat|Chat;Binuksan|Nabuksan;Naka-archive',
  ),
  Hebrew: row(
    "דואר נכנס;נשלח|דואר יוצא;טיוטות|טיוטה;ספאם|דואר זבל;אשפה|פח אשפה;לא נקרא|לא נקראו|לא נקראה;מסומן בכוכב;חשוב;צ'אט|צ'אטים;נפתח|נפתחו|נפתחה;הועבר לארכיון|בארכיון",
  ),
  Arabic: row(
    'البريد الوارد|الوارد;البريد المرسل|المرسل|الرسائل المرسلة|مُرسَلة;المسودات|مسودات|مسودة;الرسائل غير المرغوب فيها|البريد غير المرغوب فيه|غير مرغوب فيه|رسائل غير مرغوب فيها;المهملات|مهملات|سلة المهملات;غير مقروء|غير مقروءة|غير المقروءة;مميز بنجمة|مميزة بنجمة|المميزة بنجمة;مهم|مهمة|المهمة;الدردشات|الدردشة|محادثات;مفتوح|مفتوحة|تم فتحها|تم الفتح;مؤرشف|مؤرشفة|تمت أرشفتها',
  ),
  Persian: row(
    'صندوق ورودی|صندوق دریافت;ارسال شده|ارسالی|فرستاده شده;پیش نویس ها|پیش نویس;هرزنامه;زباله دان|سطل زباله|حذف شده ها;خوانده نشده;ستاره دار;مهم;گپ ها|گپ;باز شده;بایگانی شده',
  ),
  Hindi: row(
    'इनबॉक्स;भेजे गए|भेजा गया|भेजे गए मेल;ड्राफ़्ट|ड्राफ्ट;स्पैम;ट्रैश|ट्रैश करें;अपठित|नहीं पढ़े गए|नहीं पढ़ा गया;तारांकित;महत्वपूर्ण|ज़रूरी|अहम;चैट;खोला गया|खोले गए;संग्रहित|संग्रहीत',
  ),
  Thai: row(
    'กล่องจดหมาย;ส่งแล้ว|จดหมายที่ส่งแล้ว;ร่างจดหมาย|จดหมายร่าง|แบบร่าง;จดหมายขยะ|สแปม;ถังขยะ;ยังไม่อ่าน|ยังไม่ได้อ่าน;ติดดาว|ที่ติดดาว;สำคัญ;แชท;เปิดแล้ว;เก็บแล้ว|เก็บถาวรแล้ว|เก็บเข้าคลังแล้ว',
  ),
  Japanese: row(
    '受信トレイ;送信済み|送信済みメール;下書き;迷惑メール|スパム;ゴミ箱;未読;スター付き;重要;チャット;開封済み;アーカイブ|アーカイブ済み',
  ),
  Korean: row(
    '받은편지함;보낸편지함;임시보관함;스팸함|스팸|스팸편지함;휴지통;읽지 않음|안읽음|읽지 않은 메일|안읽은 메일;별표|별표편지함;중요|중요편지함;채팅|채팅방;열림;보관됨|보관처리됨',
  ),
  'Chinese (China)': row(
    '收件箱;已发邮件|已发送|已发送邮件;草稿|草稿箱;垃圾邮件;已删除邮件|已删除|回收站;未读;已加星标;重要|重要邮件;聊天;已打开;已归档',
  ),
  'Chinese (Taiwan)': row(
    '收件匣;寄件備份|已傳送;草稿|草稿匣;垃圾郵件;垃圾桶;未讀|未讀取;已加星號;重要|重要郵件;即時通訊|聊天;已開啟|已開封;已封存',
  ),
  'Chinese (Hong Kong)': row(
    '收件箱;寄件備份|已傳送;草稿;垃圾郵件;垃圾桶;未讀|未閱讀;已加星號|已標示星號;重要|重要郵件;即時通訊|聊天;已開啟;已封存',
  ),
}
